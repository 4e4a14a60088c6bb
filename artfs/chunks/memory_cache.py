"""Bytes in memory, the least recently used dropped first.

Not thread-safe: `SharedFetches` calls it under its lock. What is in here was verified when it came in and is not verified again:
the memory of this process is trusted (I3 is about disks and networks).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class MemoryCache:
    """At most `limit` bytes, what is reserved for those under way included."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._reserved = 0
        self._values: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
        return found

    def put(self, key: Hashable, data: bytes) -> None:
        if key in self._values or len(data) > self._limit - self._reserved:
            return
        self._make_room(len(data))
        self._values[key] = data
        self._size += len(data)

    def reserve(self, size: int) -> None:
        """Keep `size` bytes less until they are released. More than there is room for leaves no room."""
        self._reserved += size
        self._make_room(0)

    def release(self, size: int) -> None:
        self._reserved -= size

    def _make_room(self, size: int) -> None:
        # Room is made first: the limit holds at every moment (I7).
        while self._values and self._size + self._reserved + size > self._limit:
            _, dropped = self._values.popitem(last=False)
            self._size -= len(dropped)
