"""Moves a version to packs of its own, as a repack does: for tests of those who hold on to where it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from artfs.content.ingest import Ingest
from artfs.content.manifest_writer import write_manifest
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Entry, Kind, LeaseId, PackId
from artfs.model.records import VersionRecord
from artfs.repository.gc import collect_garbage
from artfs.repository.repository import Repository


class FindsNothing:
    """The registry's packs, for an ingest that shall store everything again."""

    def __init__(self, repository: Repository) -> None:
        self._packs = repository.registry.packs

    def add(self, entity: str, lease: LeaseId, pack_id: PackId, size: int, chunks: Sequence[ChunkRef]) -> None:
        self._packs.add(entity, lease, pack_id, size, chunks)

    def find_chunks(self, entity: str, lease: LeaseId, digests: Sequence[Digest]) -> dict[Digest, ChunkRef]:
        return {}

    def usable(self, ids: Iterable[PackId]) -> set[PackId]:
        return set()


def move_elsewhere(repository: Repository, version: VersionRecord) -> VersionRecord:
    """The version as it is when all of it lies in new packs."""
    lease = repository.leases.open(version.artifact.entity)
    ingest = Ingest(
        entity=version.artifact.entity, lease=lease, objects=repository.objects, packs=FindsNothing(repository), memo_dir=None
    )
    entries = [_stored_again(repository, ingest, entry) for entry in repository.manifest(version).iter_entries()]
    written = write_manifest(entries, ingest.put_chunk)
    ingest.finish()
    assert written.digest == version.digest
    assert repository.registry.versions.move(version.id, version.manifest, written.root, needed=written.needed_packs, lease=lease)
    repository.leases.end(lease)
    return repository.registry.versions.get(version.id)


def move_and_collect(repository: Repository, version: VersionRecord) -> VersionRecord:
    """The same, and the old packs are gone where nothing else needs them."""
    moved = move_elsewhere(repository, version)
    collect_garbage(repository, grace_s=0)
    collect_garbage(repository, grace_s=0)
    return moved


def _stored_again(repository: Repository, ingest: Ingest, entry: Entry) -> Entry:
    if entry.kind is not Kind.FILE:
        return entry
    data = b"".join(repository.reader.iter_bytes(entry))
    return ingest.add_bytes(data, entry.path, entry.mtime_ns, executable=entry.executable)
