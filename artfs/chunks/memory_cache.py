"""Bytes in memory, those of the least recently used buffer dropped first.

A piece may be a view of a buffer that came with others, and keeps all of it in memory. So whole buffers are counted and dropped:
one is new again when any of its pieces is used.

Not thread-safe: `SharedFetches` calls it under its lock. What is in here was verified when it came in and is not verified again:
the memory of this process is trusted (I3 is about disks and networks).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from typing_extensions import Buffer

from artfs.objectstore.protocol import Piece

#: A buffer is kept whole where at least so many of its size have room.
_FEWEST = 4


class _Buffer:
    """A buffer of `size` bytes, and under which keys pieces of it are here."""

    __slots__ = ("keys", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.keys: list[Hashable] = []


class MemoryCache:
    """At most `limit` bytes, what is reserved for those under way included."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._reserved = 0
        self._pieces: dict[Hashable, Piece] = {}
        #: By identity: their pieces keep them alive.
        self._buffers: OrderedDict[int, _Buffer] = OrderedDict()

    def get(self, key: Hashable) -> Piece | None:
        found = self._pieces.get(key)
        if found is not None:
            self._buffers.move_to_end(id(_whole(found)))
        return found

    def put(self, key: Hashable, data: Piece) -> None:
        if key in self._pieces:
            return
        buffer = self._buffers.get(id(_whole(data)))
        if buffer is None:
            data, size = self._kept(data)
            if size > self._limit - self._reserved:
                return
            self._make_room(size)
            buffer = self._buffers[id(_whole(data))] = _Buffer(size)
            self._size += size
        buffer.keys.append(key)
        self._pieces[key] = data

    def reserve(self, size: int) -> None:
        """Keep `size` bytes less until they are released. More than there is room for leaves no room."""
        self._reserved += size
        self._make_room(0)

    def release(self, size: int) -> None:
        self._reserved -= size

    def emptied(self) -> MemoryCache:
        """An empty one in the place of this, with as much reserved."""
        fresh = MemoryCache(self._limit)
        fresh.reserve(self._reserved)
        return fresh

    def _kept(self, data: Piece) -> tuple[Piece, int]:
        """What to keep for a piece of a buffer that is not here, and how long the buffer is: a copy where all of it has no room."""
        size = memoryview(_whole(data)).nbytes
        if size <= (self._limit - self._reserved) // _FEWEST:
            return data, size
        return bytes(data), len(data)

    def _make_room(self, size: int) -> None:
        # Room is made first: the limit holds at every moment (I7).
        while self._buffers and self._size + self._reserved + size > self._limit:
            _, dropped = self._buffers.popitem(last=False)
            self._size -= dropped.size
            for key in dropped.keys:
                del self._pieces[key]


def _whole(data: Piece) -> Buffer:
    """The buffer that a piece keeps in memory."""
    return data.obj if isinstance(data, memoryview) else data
