"""Chunks in a dict, for tests of manifests that need no packs. Counts what is read."""

from __future__ import annotations

from collections.abc import Sequence

from artfs.errors import PackMissing
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, LeaseId, PackId, make_pack_id, pack_key

PACK = make_pack_id(LeaseId(b"chunk-box..."), 1)


class ChunkBox:
    """Gives every chunk a place of its own in a pretended pack; the same chunk keeps its place.

    `calls` are the reads, `reads` the chunks they were for; packs in `gone` are not there any more.
    """

    def __init__(self, pack: PackId = PACK) -> None:
        self.pack = pack
        self.gone: set[PackId] = set()
        self.calls = 0
        self.chunks: dict[Digest, bytes] = {}
        self.reads: list[Digest] = []
        self.puts = 0
        self._places: dict[Digest, ChunkRef] = {}
        self._end = 0

    def put(self, data: bytes) -> ChunkRef:
        self.puts += 1
        digest = digest_of(data)
        if digest not in self._places:
            self._places[digest] = ChunkRef(digest, len(data), self.pack, self._end, len(data))
            self._end += len(data)
            self.chunks[digest] = data
        return self._places[digest]

    def read(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        self.calls += 1
        if missing := self.gone.intersection(ref.pack for ref in refs):
            raise PackMissing(f"the pack {pack_key(missing.pop())} is not there")
        self.reads += [ref.digest for ref in refs]
        return [self.chunks[ref.digest] for ref in refs]

    def move_to(self, pack: PackId) -> None:
        """What is put from now on goes to `pack`, and all that was put before is gone."""
        self.gone.add(self.pack)
        self.pack = pack
        self._places.clear()
