"""From a staging directory to a version.

The write order is that of `repository.commit` (I1). The staging directory goes only after the transaction: a commit that failed
leaves it as it was (I6), and after a crash between the transaction and the removal it is still there; committed again, it is the
version it became already (I8).

One thread commits one staging directory; others are told Busy meanwhile, and so are other processes. That no file of it is open
for writing, the caller sees to.
"""

from __future__ import annotations

import logging

from artfs.content.ingest import Ingest
from artfs.model.entry import Entry
from artfs.model.records import CommitOutcome, VersionState
from artfs.repository.commit import CommitRequest, begin_ingest, commit_edit, commit_entries
from artfs.repository.repository import Repository
from artfs.repository.second_try import again_if_lease_lost
from artfs.vfs.staging.base_version import base_was_deleted
from artfs.vfs.staging.changes import StagedChanges
from artfs.vfs.staging.directory import StagingDirectory
from artfs.vfs.staging.folder import options_path, throw_away
from artfs.vfs.staging.options import StagingOptions, read_options

logger = logging.getLogger(__name__)


def commit_staging(
    repository: Repository,
    directory: StagingDirectory,
    options: StagingOptions | None = None,
    *,
    run_id: str | None = None,
    expected_number: int | None = None,
) -> CommitOutcome:
    """Make `directory` a version of its artifact and remove it.

    `options` come on top of what `NAME.json` says. Raises Busy while another process changes the directory, AlreadyExists when
    `expected_number` is not the next one, and all that `commit_edit` raises.
    """
    with directory.frozen():
        said = read_options(options_path(directory.folder)).merged_with(options or StagingOptions())
        request = CommitRequest(
            artifact=directory.artifact,
            type=said.type,
            aliases=said.aliases,
            description=said.description,
            metadata=said.metadata,
            run_id=run_id,
            expected_number=expected_number,
        )
        _check_base(repository, directory)
        outcome = again_if_lease_lost(lambda: _commit(repository, directory, request))
        try:
            throw_away(directory.folder)
        except OSError as error:
            logger.warning("%s is committed as %s but cannot be removed: %s", directory.folder, outcome.version.name, error)
            return outcome
    directory.close()
    return outcome


def _check_base(repository: Repository, directory: StagingDirectory) -> None:
    if directory.base is None:
        return
    record = directory.base.record
    if repository.registry.versions.get(record.id).state is VersionState.DELETED:
        raise base_was_deleted(record.qualified_name, directory.folder)


def _commit(repository: Repository, directory: StagingDirectory, request: CommitRequest) -> CommitOutcome:
    changes = directory.changes()
    ingest = begin_ingest(repository, directory.artifact.entity)
    try:
        added = [*changes.added, *_ingest_files(ingest, directory, changes)]
    except BaseException:
        ingest.abort()
        raise
    if directory.base is None:
        return commit_entries(repository, ingest, added, request)
    return commit_edit(repository, ingest, directory.base.record, changes.removed, added, request)


def _ingest_files(ingest: Ingest, directory: StagingDirectory, changes: StagedChanges) -> list[Entry]:
    """The entries of the files in upper; one that has come to be what it was in the base keeps its entry."""
    entries = ingest.add_files(((file.path, file.source) for file in changes.files), None)
    if directory.base is None:
        return entries
    tree = directory.base.tree
    olds = (tree.get(entry.path) for entry in entries)
    return [old if old is not None and old.same_content(entry) else entry for entry, old in zip(entries, olds, strict=True)]
