"""The manifest of one version, written again so that it names nothing in certain packs.

Chunks that lie in these packs are taken over as they are stored, each verified (I3), unless they lie elsewhere already. Pages that
name none of the packs stay as they are, the others are written with the new places (`rewrite`).

One call runs in one thread; chunks are read by those of the executor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor

from artfs.content.chunk_map import ChunkMap
from artfs.content.manifest_writer import WrittenManifest
from artfs.content.pages import Page
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Entry, LeaseId, PackId
from artfs.model.manifest_root import PageRef
from artfs.model.records import VersionRecord
from artfs.registry.packs import Packs
from artfs.repository.copy_chunks import ChunkCopier, CopyTotals
from artfs.repository.leased_ingest import LeasedIngest
from artfs.repository.repository import Repository
from artfs.repository.rewrite import rewrite_manifest


class OtherPacks:
    """The packs of the registry without those that are moved: what an ingest finds is never there (`chunk_sink.PackIndex`)."""

    def __init__(self, packs: Packs, moving: Collection[PackId]) -> None:
        self._packs = packs
        self._moving = moving

    def add(self, entity: str, lease: LeaseId, pack_id: PackId, size: int, chunks: Sequence[ChunkRef]) -> None:
        self._packs.add(entity, lease, pack_id, size, chunks)

    def find_chunks(self, entity: str, lease: LeaseId, digests: Sequence[Digest]) -> Mapping[Digest, ChunkRef]:
        return self._packs.find_chunks(entity, lease, digests, avoided=self._moving)

    def usable(self, ids: Iterable[PackId]) -> set[PackId]:
        return self._packs.usable(ids).difference(self._moving)


class VersionRepacker:
    """Writes manifests without the packs `moving` into ingests that do not find what lies in them (`OtherPacks`)."""

    def __init__(
        self,
        repository: Repository,
        moving: frozenset[PackId],
        executor: Executor,
        totals: CopyTotals,
        on_progress: Callable[[], object],
    ) -> None:
        self._repository = repository
        self._moving = moving
        self._executor = executor
        self._totals = totals
        self._on_progress = on_progress
        self._map = ChunkMap(repository.chunks)

    def write(self, version: VersionRecord, ingest: LeasedIngest) -> WrittenManifest:
        """Store what the version needs and has in the packs. IntegrityError when its content is not what its digest says."""
        chunks = ChunkCopier(self._repository, ingest, self._executor, self._totals, self._on_progress)
        return rewrite_manifest(version, self._iter_pages(version), ingest, chunks, self._map, self._stays)

    def _iter_pages(self, version: VersionRecord) -> Iterator[Page | PageRef]:
        """The pages in order, those that name one of the packs as entries."""
        pages = self._repository.manifest(version).pages
        read = self._repository.manifests.pages.iter_pages([page for page in pages if self._is_moved(page)])
        for page in pages:
            yield next(read) if self._is_moved(page) else page

    def _is_moved(self, page: PageRef) -> bool:
        return page.chunk.pack in self._moving or not self._moving.isdisjoint(page.packs)

    def _stays(self, entry: Entry) -> bool:
        return self._moving.isdisjoint(entry.content.needed_packs())
