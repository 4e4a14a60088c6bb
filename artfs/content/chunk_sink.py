"""Where the chunks of one commit go: looked up, encoded when they are new, put into packs in order.

Two steps, so that the costly one can run anywhere. `prepare` digests, asks what is stored already and compresses what is not; any
number of threads may be in it at once. `store` gives each chunk its place, in the order of its calls: under one lock, cheap.

A chunk prepared as new may have been stored by the time its turn comes, as the same bytes came earlier in the same commit. `store`
therefore looks once more, into `_recent`: every chunk whose pack is not yet in the registry, and those of the packs last
registered, because a `prepare` under way may have asked the registry before they were. `_recent` has a lock of its own, as
`_on_durable` runs in the pack writer's thread, while `store` may be waiting for just that thread with its lock held.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from typing_extensions import Buffer

from artfs.chunks.codec import encode_chunk
from artfs.chunks.pack_writer import PackWriter
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, LeaseId, PackId
from artfs.objectstore.protocol import ObjectStore

#: Packs whose chunks are remembered after the registry has them. What is between `prepare` and `store` at any moment is less than
#: one pack, and two more may be on their way.
_REMEMBERED_PACKS = 4
#: But packs of tiny chunks are remembered only up to so many chunks.
_REMEMBERED_CHUNKS = 64 * 1024


class PackIndex(Protocol):
    """The part of the registry's packs that an ingest needs; thread-safe."""

    def add(self, entity: str, lease: LeaseId, pack_id: PackId, size: int, chunks: Sequence[ChunkRef]) -> object:
        """Enter a durable pack (I1)."""
        ...

    def find_chunks(self, entity: str, lease: LeaseId, digests: Sequence[Digest]) -> Mapping[Digest, ChunkRef]:
        """Where those of the chunks lie that the entity has; they stay there while the lease lives (I4)."""
        ...

    def usable(self, ids: Iterable[PackId]) -> set[PackId]:
        """Those of the packs that new versions may refer to."""
        ...


class Prepared(NamedTuple):
    """A chunk on its way: `ref` says where it lies already, else `stored` is what is to be stored for it."""

    digest: Digest
    size: int
    ref: ChunkRef | None
    stored: Buffer


class ChunkSink:
    """Stores chunks for one lease of one entity, each once."""

    def __init__(self, entity: str, lease: LeaseId, objects: ObjectStore, packs: PackIndex, next_id: Callable[[], PackId]) -> None:
        self._entity = entity
        self._lease = lease
        self._packs = packs
        self._writer = PackWriter(objects, next_id, self._on_durable)
        self._lock = threading.Lock()
        self._recent: dict[Digest, ChunkRef] = {}
        self._durable: deque[list[Digest]] = deque()
        self._recent_lock = threading.Lock()
        self.stored_bytes = 0

    def find(self, digests: Sequence[Digest]) -> dict[Digest, ChunkRef]:
        """Where those of the chunks lie that need not be stored again. For any thread."""
        with self._recent_lock:
            known = {digest: self._recent[digest] for digest in digests if digest in self._recent}
        missing = [digest for digest in dict.fromkeys(digests) if digest not in known]
        if missing:
            known.update(self._packs.find_chunks(self._entity, self._lease, missing))
        return known

    def prepare(self, pieces: Sequence[Buffer]) -> list[Prepared]:
        """Digest the pieces, look them up, and encode the new ones. For any thread."""
        digests = [digest_of(piece) for piece in pieces]
        known = self.find(digests)
        prepared: list[Prepared] = []
        encoded: dict[Digest, Buffer] = {}
        for digest, piece in zip(digests, pieces, strict=True):
            ref = known.get(digest)
            if ref is None and digest not in encoded:
                encoded[digest] = encode_chunk(piece)
            prepared.append(Prepared(digest, len(memoryview(piece)), ref, b"" if ref else encoded[digest]))
        return prepared

    def store(self, prepared: Sequence[Prepared]) -> list[ChunkRef]:
        """Give every chunk its place, in order. Blocks while the packs before it are still being put."""
        with self._lock:
            return [chunk.ref or self._store_new(chunk) for chunk in prepared]

    def put(self, data: bytes) -> ChunkRef:
        """Store one chunk."""
        return self.store(self.prepare([data]))[0]

    def send(self) -> None:
        """Begin with what `flush` does, and return at once."""
        with self._lock:
            self._writer.send()

    def flush(self) -> None:
        """Returns when all that was stored is durable and in the registry."""
        with self._lock:
            self._writer.flush()

    def discard(self) -> None:
        with self._lock:
            self._writer.discard()

    def _store_new(self, chunk: Prepared) -> ChunkRef:
        with self._recent_lock:
            ref = self._recent.get(chunk.digest)
        if ref is None:
            ref = self._writer.add(chunk.digest, chunk.size, chunk.stored)
            self.stored_bytes += ref.stored_size
            with self._recent_lock:
                self._recent[chunk.digest] = ref
        return ref

    def _on_durable(self, pack: PackId, size: int, refs: list[ChunkRef]) -> None:
        self._packs.add(self._entity, self._lease, pack, size, refs)
        with self._recent_lock:
            self._durable.append([ref.digest for ref in refs])
            while len(self._durable) > 1 and self._remembers_too_much():
                for digest in self._durable.popleft():
                    self._recent.pop(digest, None)

    def _remembers_too_much(self) -> bool:
        return len(self._durable) > _REMEMBERED_PACKS or sum(map(len, self._durable)) > _REMEMBERED_CHUNKS
