"""Ranges of sort keys: which part of a manifest belongs to a path.

Manifests are sorted by (directory, name), so what lies below a directory `d` is two contiguous ranges, not one: the entries whose
directory is `d`, and those whose directory starts with `d/`. Between them lie neighbours such as `d-2/x`, as `-` sorts before `/`.
Pure functions over values; for any thread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

SortKey = tuple[str, str]
#: Half open: from the first key up to, but without, the second.
KeyRange = tuple[SortKey, SortKey]

#: Sorts directly after `/`, which no name can hold.
_AFTER_SLASH = chr(ord("/") + 1)
#: Sorts before everything a name can hold: control characters are not allowed in names.
_LOWEST = "\0"


def sort_key(path: str) -> SortKey:
    """What manifests are sorted by: (directory, name)."""
    directory, _, name = path.rpartition("/")
    return directory, name


def just(path: str) -> KeyRange:
    """The one entry at `path`."""
    directory, name = sort_key(path)
    return (directory, name), (directory, name + _LOWEST)


def children(directory: str) -> KeyRange:
    """The entries directly in `directory`; empty means the root."""
    return (directory, ""), (directory + _LOWEST, "")


def grandchildren(directory: str) -> KeyRange:
    """The entries below `directory` that are not directly in it. `directory` is not the root."""
    return (directory + "/", ""), (directory + _AFTER_SLASH, "")


def unite(ranges: Iterable[KeyRange]) -> list[KeyRange]:
    """The same keys as sorted ranges that do not overlap."""
    united: list[KeyRange] = []
    for start, end in sorted(ranges):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def overlaps(ranges: Sequence[KeyRange], start: SortKey, end: SortKey | None) -> bool:
    """True if any of the united `ranges` has keys in [start, end); `end` None is the end of all keys."""
    after = bisect_right(ranges, start, key=lambda pair: pair[1])
    return after < len(ranges) and (end is None or ranges[after][0] < end)


def covers(ranges: Sequence[KeyRange], start: SortKey, end: SortKey | None) -> bool:
    """True if one of the united `ranges` holds all keys in [start, end)."""
    after = bisect_right(ranges, start, key=lambda pair: pair[0]) - 1
    return after >= 0 and end is not None and start < ranges[after][1] and end <= ranges[after][1]
