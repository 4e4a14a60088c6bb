"""Commits: from what was ingested to a version, in the write order of I1.

    begin_ingest      a lease, kept alive in the background
    ingest            data packs become durable while files are added (content.ingest)
    commit_entries    manifest pages and root become durable, then one registry transaction makes the version and moves aliases
    commit_edit       the same for a version that differs little from another: pages that did not change are not even read
    commit_again      the transaction alone, for content that is known to be a version already

A crash before the transaction leaves packs that only the lease names; gc collects them. A failure does the same and ends the lease
at once. Nothing here is retried: TransientError comes from layers that have retried already, and after LeaseLost all has to be
taken in again, by whoever has it (`second_try`).

Threads: an ingest may be fed by several threads, but is committed by one, after they are done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from artfs.content.ingest import Ingest
from artfs.content.manifest_writer import WrittenManifest, edit_manifest, write_manifest
from artfs.content.manifests import Manifest
from artfs.errors import LeaseLost, NameNotValid, NotFound, UserError
from artfs.model.digest import Digest
from artfs.model.entry import LEASE_ID_SIZE, ChunkRef, Entry, Kind, LeaseId, PackId, with_parents
from artfs.model.names import LATEST, ArtifactName, VersionName, normalise_path
from artfs.model.records import CommitOutcome, VersionDraft, VersionRecord, VersionState
from artfs.repository.leased_ingest import aborted_on_error, begin_ingest, leased
from artfs.repository.places_of_now import with_places_of_now
from artfs.repository.repository import Repository

__all__ = [
    "CommitRequest",
    "begin_ingest",
    "check_entity",
    "commit_again",
    "commit_edit",
    "commit_entries",
    "complete_entries",
    "keep_unchanged",
    "make_draft",
]

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


def commit_entries(repository: Repository, ingest: Ingest, entries: Iterable[Entry], request: CommitRequest) -> CommitOutcome:
    """Make a version of exactly `entries` (directories above them are added; any order).

    A file that has not changed since the latest version keeps the entry it has there. Content that equals a version of the
    artifact makes no new one (I8) and stores nothing. After an error the ingest is aborted.
    """
    with aborted_on_error(ingest):
        check_entity(ingest, request.artifact)
        written = write_manifest(keep_unchanged(repository, request.artifact, complete_entries(entries)), ingest.put_chunk)
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
    with aborted_on_error(ingest):
        check_entity(ingest, request.artifact)
        if base.artifact.entity != request.artifact.entity:
            raise UserError(f"{base.qualified_name} cannot be the base of {request.artifact}: it belongs to another entity")
        # Where the base lies now: while it was edited a repack may have moved it, and the old packs may be gone (I4).
        current = repository.registry.versions.get(base.id)
        manifest = repository.manifest(base if current.state is VersionState.DELETED else current)
        latest = _latest_manifest(repository, request.artifact) or manifest
        # What has not changed since the base may come with the places that it had when that was opened.
        here = [_keep_entry(entry, manifest.get(entry.path)) for entry in _checked(added)]
        kept = [_keep_entry(entry, latest.get(entry.path)) for entry in here]
        # And what was renamed has them still.
        placed = with_places_of_now(repository, ingest, kept)
        written = edit_manifest(manifest, removed=removed, added=placed, put_chunk=ingest.put_chunk)
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
        return repository.registry.versions.commit(make_draft(request, existing, existing.manifest, frozenset(), _NO_LEASE))
    except LeaseLost:
        return None


def make_draft(
    request: CommitRequest, content: WrittenManifest | VersionRecord, root: ChunkRef, needed: frozenset[PackId], lease: LeaseId
) -> VersionDraft:
    """What the registry is asked to make a version of: `content`, whose manifest lies at `root`."""
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
    owned = leased(ingest)
    stored = repository.registry.versions.find_stored(request.artifact, written.digest)
    if stored is None:
        # The packs of data and of the manifest are durable before the transaction that names them (I1).
        ingest.finish()
        root, needed = written.root, written.needed_packs
    else:
        # Discard the manifest before it goes up. If the version is deleted in this moment, the registry makes a new one of the
        # same packs, or refuses when they are gone; it decides under its lock (I4, I8).
        owned.store_no_more()
        root, needed = stored[0].manifest, stored[1]
    draft = make_draft(request, written, root, needed, ingest.lease)
    with owned.given_to_registry():
        return repository.registry.versions.commit(draft)


def check_entity(ingest: Ingest, artifact: ArtifactName) -> None:
    """UserError unless what was taken in may become content of `artifact`."""
    # A digest found in another entity's packs would tell what that entity stores.
    if ingest.entity != artifact.entity:
        raise UserError(f"content taken in for entity {ingest.entity!r} cannot become a version of {artifact}")


def complete_entries(entries: Iterable[Entry]) -> list[Entry]:
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


def keep_unchanged(repository: Repository, artifact: ArtifactName, entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, in manifest order, each as it is in the latest version of the artifact if it has not changed since."""
    latest = _latest_manifest(repository, artifact)
    # Both are in manifest order, so one pass over each will do.
    older = iter(()) if latest is None else latest.iter_entries()
    old = next(older, None)
    for entry in entries:
        while old is not None and old.sort_key < entry.sort_key:
            old = next(older, None)
        yield _keep_entry(entry, old if old is not None and old.path == entry.path else None)


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
        newest = versions.newest(artifact)
        return None if newest is None else repository.manifest(newest)


def _keep_entry(entry: Entry, old: Entry | None) -> Entry:
    return old if old is not None and old.same_content(entry) else entry
