"""Chunks in a dict, for tests of manifests that need no packs. Counts what is read."""

from __future__ import annotations

from collections.abc import Sequence

from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, LeaseId, make_pack_id

PACK = make_pack_id(LeaseId(b"chunk-box..."), 1)


class ChunkBox:
    """Gives every chunk a place of its own in one pretended pack; the same chunk keeps its place."""

    def __init__(self) -> None:
        self.chunks: dict[Digest, bytes] = {}
        self.reads: list[Digest] = []
        self.puts = 0
        self._places: dict[Digest, ChunkRef] = {}
        self._end = 0

    def put(self, data: bytes) -> ChunkRef:
        self.puts += 1
        digest = digest_of(data)
        if digest not in self._places:
            self._places[digest] = ChunkRef(digest, len(data), PACK, self._end, len(data))
            self._end += len(data)
            self.chunks[digest] = data
        return self._places[digest]

    def read(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        self.reads += [ref.digest for ref in refs]
        return [self.chunks[ref.digest] for ref in refs]
