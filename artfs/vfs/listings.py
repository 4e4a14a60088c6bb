"""Listings of version directories, kept while there is room, as they never change.

Bounded by the number of entries in all, but the last listing stays whatever its size: the kernel comes back for it piece by
piece. Not thread-safe: the event loop's thread only.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from artfs.vfs.inodes import Inode
from artfs.vfs.node import Listed

#: About 100 MB at the most.
MOST_LISTED = 200_000


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory's children in order and by name, and what readdir needs of each: its encoded name and the inode it had last."""

    rows: Sequence[Listed]
    by_name: Mapping[str, Listed]
    names: Sequence[bytes]
    inodes: list[Inode | None]


class Listings:
    """The listings used last."""

    def __init__(self, most_listed: int = MOST_LISTED) -> None:
        self._most = most_listed
        self._kept: OrderedDict[Hashable, Listing] = OrderedDict()
        self._count = 0

    def get(self, key: Hashable) -> Listing | None:
        listing = self._kept.get(key)
        if listing is not None:
            self._kept.move_to_end(key)
        return listing

    def put(self, key: Hashable, rows: Sequence[Listed]) -> Listing:
        """Keep the listing of the directory with that key."""
        names = [os.fsencode(row.name) for row in rows]
        listing = Listing(rows, {row.name: row for row in rows}, names, [None] * len(rows))
        if key not in self._kept:
            self._kept[key] = listing
            self._count += len(rows)
            while self._count > self._most and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._count -= len(oldest.rows)
        return listing
