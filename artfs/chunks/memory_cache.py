"""Decoded chunks in memory, the least recently used dropped first.

Not thread-safe: `ChunkStore` calls it under its lock. What is in here was verified when it came in and is not verified again: the
memory of this process is trusted (I3 is about disks and networks).
"""

from __future__ import annotations

from collections import OrderedDict

from artfs.model.digest import Digest


class MemoryCache:
    """At most `limit` bytes of chunks, by digest."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._chunks: OrderedDict[Digest, bytes] = OrderedDict()

    def get(self, digest: Digest) -> bytes | None:
        found = self._chunks.get(digest)
        if found is not None:
            self._chunks.move_to_end(digest)
        return found

    def put(self, digest: Digest, data: bytes) -> None:
        if digest in self._chunks or len(data) > self._limit:
            return
        # Room is made first: the limit holds at every moment (I7).
        while self._size + len(data) > self._limit:
            _, dropped = self._chunks.popitem(last=False)
            self._size -= len(dropped)
        self._chunks[digest] = data
        self._size += len(data)
