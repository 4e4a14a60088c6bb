"""The manifest of one version, written again so that it names nothing in certain packs.

Chunks that lie in these packs are taken over as they are stored, each verified (I3), unless they lie elsewhere already. Pages that
name none of the packs stay as they are, the others are written with the new places; paths, digests and order stay what they were,
and so does the digest of the version (I2).

One call runs in one thread; chunks are read by those of the executor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

from artfs.content.chunk_map import ChunkMap
from artfs.content.content_builder import ContentBuilder
from artfs.content.manifest_writer import WrittenManifest
from artfs.content.page_writer import PageWriter
from artfs.errors import IntegrityError
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Entry, LeaseId, PackId
from artfs.model.manifest_root import PageRef
from artfs.model.records import VersionRecord
from artfs.registry.packs import Packs
from artfs.repository.copy_chunks import ChunkCopier, CopyTotals
from artfs.repository.leased_ingest import LeasedIngest
from artfs.repository.repository import Repository


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
        writer = PageWriter(ingest.put_chunk)
        pages = self._repository.manifest(version).pages
        read = self._repository.manifests.pages.iter_pages([page for page in pages if self._is_moved(page)])
        try:
            for page in pages:
                if not self._is_moved(page):
                    chunks.then(partial(writer.reuse, page))
                    continue
                for entry in next(read):
                    self._write_entry(entry, chunks, writer, ingest)
            chunks.finish()
            written = writer.finish()
        except BaseException:
            chunks.cancel()
            raise
        if written.digest != version.digest:
            raise IntegrityError(f"the content of {version.qualified_name} is not what its digest says: run `artfs verify`")
        return written

    def _is_moved(self, page: PageRef) -> bool:
        return page.chunk.pack in self._moving or not self._moving.isdisjoint(page.packs)

    def _write_entry(self, entry: Entry, chunks: ChunkCopier, writer: PageWriter, ingest: LeasedIngest) -> None:
        if self._moving.isdisjoint(entry.content.needed_packs()):
            chunks.then(partial(writer.add, entry))
            return
        builder = ContentBuilder(ingest.put_chunk)
        chunks.add((located.ref for located in self._map.iter_located(entry.content, 0, entry.size)), builder.add)
        chunks.then(lambda: writer.add(replace(entry, content=builder.finish())))
