"""Commits: from what was ingested to a version, in the write order of I1.

    begin_ingest      a lease, kept alive in the background
    ingest            data packs become durable while files are added (content.ingest)
    commit_entries    manifest pages and root become durable, then one registry transaction makes the version and moves aliases
    commit_edit       the same for a version that differs little from another: pages that did not change are not even read
    commit_again      the transaction alone, for content that is known to be a version already

A crash before the transaction leaves packs that only the lease names; gc collects them. A failure does the same and ends the lease
at once. Nothing here is retried: TransientError comes from layers that have retried already.

Threads: an ingest may be fed by several threads, but is committed by one, after they are done.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from artfs.content.ingest import Ingest
from artfs.content.manifest_writer import WrittenManifest, edit_manifest, write_manifest
from artfs.content.manifests import Manifest
from artfs.errors import ArtfsError, InternalError, LeaseLost, NameNotValid, NotFound, UserError
from artfs.model.digest import Digest
from artfs.model.entry import LEASE_ID_SIZE, ChunkRef, Entry, Kind, LeaseId, PackId, lease_prefix, with_parents
from artfs.model.names import LATEST, ArtifactName, VersionName, normalise_path
from artfs.model.records import CommitOutcome, VersionDraft, VersionRecord
from artfs.repository.leases import LeaseKeeper
from artfs.repository.repository import Repository

logger = logging.getLogger(__name__)

#: Names no lease: those that are opened are random.
_NO_LEASE = LeaseId(bytes(LEASE_ID_SIZE))


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What is to become of the content. `type` None means the type that the artifact has already."""

    artifact: ArtifactName
    type: str | None
    aliases: Sequence[str] = ()
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    expected_number: int | None = None


class LeasedIngest(Ingest):
    """An ingest whose lease ends when it is aborted, or when nobody holds it any more."""

    def __init__(self, repository: Repository, entity: str, lease: LeaseId) -> None:
        super().__init__(
            entity=entity,
            lease=lease,
            objects=repository.objects,
            packs=repository.registry.packs,
            memo_dir=repository.config.memo_dir,
        )
        self._repository = repository
        self._process = os.getpid()
        self._finalizer = weakref.finalize(self, LeaseKeeper.drop_later, repository.leases, lease)
        self._finalizer.atexit = False

    def abort(self) -> None:
        """Give up: nothing of this ingest becomes visible, its lease ends, and what it stored is removed as far as possible."""
        if os.getpid() != self._process:
            return  # a forked child that cleans up: what its parent is doing is not for it to end
        try:
            super().abort()
        finally:
            if self._finalizer.detach() is not None:
                _give_up(self._repository, self.lease)

    def store_no_more(self) -> None:
        """The content is a version already: what is not stored by now is not needed, and the lease only ends with the commit."""
        super().abort()

    def give_to_registry(self) -> None:
        """The transaction that ends the lease is next: extend the lease no longer, and remove nothing whatever happens."""
        if self._finalizer.detach() is not None:
            self._repository.leases.release(self.lease)


def begin_ingest(repository: Repository, entity: str) -> LeasedIngest:
    """Open a lease and start to take in content for `entity`. Ends with `commit_entries`, `commit_edit` or `abort()`."""
    return LeasedIngest(repository, entity, repository.leases.open(entity))


def commit_entries(repository: Repository, ingest: Ingest, entries: Iterable[Entry], request: CommitRequest) -> CommitOutcome:
    """Make a version of exactly `entries` (directories above them are added; any order).

    A file that has not changed since the latest version keeps the entry it has there. Content that equals a version of the
    artifact makes no new one (I8) and stores nothing. After an error the ingest is aborted.
    """
    with _aborted_on_error(ingest):
        _check_entity(ingest, request)
        complete = _complete(entries)
        latest = _latest_manifest(repository, request.artifact)
        kept = complete if latest is None else _keep_unchanged(complete, latest)
        written = write_manifest(kept, ingest.put_chunk)
        return _commit(repository, ingest, written, request)


def commit_edit(  # noqa: PLR0917  the parts of an edit, in the order one says them
    repository: Repository,
    ingest: Ingest,
    base: VersionRecord,
    removed: Iterable[str],
    added: Iterable[Entry],
    request: CommitRequest,
) -> CommitOutcome:
    """Make a version of `base` without the paths in `removed` (and all below them), and with `added`; else as `commit_entries`."""
    with _aborted_on_error(ingest):
        _check_entity(ingest, request)
        if base.artifact.entity != request.artifact.entity:
            raise UserError(f"{base.qualified_name} cannot be the base of {request.artifact}: it belongs to another entity")
        manifest = repository.manifest(base)
        latest = _latest_manifest(repository, request.artifact) or manifest
        kept = [_keep_entry(entry, latest.get(entry.path)) for entry in _checked(added)]
        written = edit_manifest(manifest, removed=removed, added=kept, put_chunk=ingest.put_chunk)
        return _commit(repository, ingest, written, request)


def commit_again(repository: Repository, digest: Digest, request: CommitRequest) -> CommitOutcome | None:
    """Make content of this digest what `request` says, if a version of the artifact has it already; None if there is none.

    Nothing is stored for it, so there is no lease: should the version be deleted in this moment, the registry would have to make a
    new one, and refuses for want of it.
    """
    existing = repository.registry.versions.find_by_digest(request.artifact, digest)
    if existing is None:
        return None
    try:
        return repository.registry.versions.commit(_draft(request, existing, existing.manifest, frozenset(), _NO_LEASE))
    except LeaseLost:
        return None


def _draft(
    request: CommitRequest, content: WrittenManifest | VersionRecord, root: ChunkRef, needed: frozenset[PackId], lease: LeaseId
) -> VersionDraft:
    return VersionDraft(
        artifact=request.artifact,
        type=request.type,
        digest=content.digest,
        manifest=root,
        size=content.size,
        file_count=content.file_count,
        needed_packs=needed,
        lease=lease,
        aliases=tuple(request.aliases),
        description=request.description,
        metadata=request.metadata,
        run_id=request.run_id,
        expected_number=request.expected_number,
    )


def _commit(repository: Repository, ingest: Ingest, written: WrittenManifest, request: CommitRequest) -> CommitOutcome:
    if not isinstance(ingest, LeasedIngest):
        raise InternalError("an ingest without a lease was to be committed: it has to come from begin_ingest")
    existing = repository.registry.versions.find_by_digest(request.artifact, written.digest)
    if existing is None:
        # The packs of data and of the manifest are durable before the transaction that names them (I1).
        ingest.finish()
        root, needed = written.root, written.needed_packs
    else:
        # Discard the manifest before it goes up. If the version is deleted in this moment, the registry makes a new one of the
        # same packs, or refuses when they are gone; it decides under its lock (I4, I8).
        ingest.store_no_more()
        root, needed = existing.manifest, repository.registry.versions.needed_packs(existing.id)
    draft = _draft(request, written, root, needed, ingest.lease)
    ingest.give_to_registry()
    try:
        return repository.registry.versions.commit(draft)
    except BaseException:
        # Whether the transaction took place may be unknown, so nothing is removed here: gc decides by what the registry says.
        repository.leases.end(ingest.lease)
        raise


@contextmanager
def _aborted_on_error(ingest: Ingest) -> Iterator[None]:
    try:
        yield
    except BaseException:
        try:
            ingest.abort()
        except ArtfsError as error:
            logger.info("what the failed commit %s stored is left to gc: %s", ingest.lease.hex(), error)
        raise


def _give_up(repository: Repository, lease: LeaseId) -> None:
    """End the lease and free what was stored under it, so that a failure for lack of space does not keep the space."""
    repository.leases.end(lease)
    try:
        repository.registry.packs.drop_uncommitted(lease)
        # The lease was never given to a commit transaction, so no version can need a pack of it (I4).
        for info in list(repository.objects.iter_objects(lease_prefix(lease))):
            repository.objects.delete(info.key)
    except ArtfsError as error:
        logger.info("what the aborted commit %s stored is left to gc: %s", lease.hex(), error)


def _check_entity(ingest: Ingest, request: CommitRequest) -> None:
    # A digest found in another entity's packs would tell what that entity stores.
    if ingest.entity != request.artifact.entity:
        raise UserError(f"content taken in for entity {ingest.entity!r} cannot become a version of {request.artifact}")


def _complete(entries: Iterable[Entry]) -> list[Entry]:
    """The entries with all directories above them, in manifest order."""
    by_path: dict[str, Entry] = {}
    for entry in _checked(entries):
        other = by_path.setdefault(entry.path, entry)
        if not other.same_content(entry):
            raise NameNotValid(f"{entry.path!r} was given twice with different content: remove one of them")
    complete = with_parents(by_path.values())
    leaves = {entry.path for entry in complete if entry.kind is not Kind.DIRECTORY}
    for entry in complete:
        if entry.directory in leaves:
            raise NameNotValid(f"{entry.directory!r} and {entry.path!r} cannot both be in an artifact: rename one of them")
    return complete


def _checked(entries: Iterable[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if normalise_path(entry.path) != entry.path:
            raise NameNotValid(f"{entry.path!r} is not a valid path in an artifact: write {normalise_path(entry.path)!r}")
        yield entry


def _latest_manifest(repository: Repository, artifact: ArtifactName) -> Manifest | None:
    versions = repository.registry.versions
    if repository.registry.collections.find(artifact) is None:
        return None
    try:
        return repository.manifest(versions.resolve(VersionName(artifact, LATEST)))
    except NotFound:  # the alias was removed
        newest = next(iter(versions.list(artifact)), None)
        return None if newest is None else repository.manifest(newest)


def _keep_unchanged(entries: Iterable[Entry], latest: Manifest) -> Iterator[Entry]:
    """`entries`, each as it is in `latest` if it has not changed. Both are in manifest order, so one pass over each will do."""
    older = latest.iter_entries()
    old = next(older, None)
    for entry in entries:
        while old is not None and old.sort_key < entry.sort_key:
            old = next(older, None)
        yield _keep_entry(entry, old if old is not None and old.path == entry.path else None)


def _keep_entry(entry: Entry, old: Entry | None) -> Entry:
    return old if old is not None and old.same_content(entry) else entry
