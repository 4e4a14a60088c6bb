"""What the folder holds, and the promise that it never holds more than its limit (I7).

Whatever counts has its size in its name: a segment its capacity, a table its level, a reservation its bytes. So a name is all that
it takes to reserve, a process that dies leaves nothing uncounted, and whoever looks at the folder knows what is taken. Names come
into being under the flock of one file, `lock`, after room was made for them.

Room is made by removing whole segments, those used least recently first: reading one sets its mtime now and then, so that all
processes agree. One that has a writer or is pinned stays. A segment is cut to nothing before it is unlinked: its blocks are free at
once although others have it open. Who reads it gets too few bytes, finds it without a name, and takes the chunk as not there.

Any thread: the flock is taken with an open file of its own each time, so that it parts threads, too.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from artfs.chunks.disk_cache.disk import Disk
from artfs.chunks.disk_cache.index import MAX_LEVELS, table_name, table_size
from artfs.chunks.disk_cache.locks import flocked, try_flock
from artfs.chunks.disk_cache.reservation import MOST, Reservation, is_void, parse_reservation, reservation_name
from artfs.chunks.disk_cache.segment import MAX_CAPACITY, MAX_NUMBER, PAGE, Segment, Writer, format_name, parse_name, round_up
from artfs.objectstore.open_files import OpenFile

LOCK_NAME = "lock"
#: Less than this is no cache: a table, and segments of the smallest size to choose from.
MIN_LIMIT = 4 << 20
_MIN_SEGMENT = 1 << 20
_USUAL_SEGMENT = 64 << 20
#: A segment is a 32nd of a small cache, and a 1024th of a very large one.
_FEWEST_SEGMENTS, _MOST_SEGMENTS = 32, 1024
#: For the folder itself and its small files.
_OVERHEAD = 64 << 10
#: A segment with less room than this is not gone on with.
_WORTH_GOING_ON = 64 << 10
_TABLES = {table_name(level): table_size(level) for level in range(MAX_LEVELS)}


@dataclass(slots=True)
class Contents:
    """What was in the folder when it was looked at; `used` is what all of it counts for, `on_disk` the bytes of its blocks."""

    segments: dict[int, Segment] = field(default_factory=dict)
    reservations: dict[str, int] = field(default_factory=dict)
    used: int = _OVERHEAD
    on_disk: int = 0
    newest: int = 0

    def __contains__(self, number: object) -> bool:
        """Whether the segment is there, or may have come since."""
        return number in self.segments or (isinstance(number, int) and number > self.newest)


class Room:
    """The room in `folder`: at most `limit` bytes."""

    def __init__(self, folder: Path, limit: int, disk: Disk) -> None:
        self._folder = folder
        self.limit = limit
        self._disk = disk
        self.evicted = 0

    @property
    def segment_size(self) -> int:
        usual = max(_USUAL_SEGMENT, self.limit // _MOST_SEGMENTS)
        return min(max(self.limit // _FEWEST_SEGMENTS, _MIN_SEGMENT), usual, MAX_CAPACITY) // PAGE * PAGE

    def look(self) -> Contents:
        """What the folder holds now. Raises OSError."""
        contents = Contents()
        with os.scandir(self._folder) as files:
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    self._count(file, contents)
        return contents

    def open_writer(self, need: int) -> Writer | None:
        """A segment with room for `need` bytes: one that nobody writes to any more, or a new one. None if there is no room.

        Raises OSError.
        """
        with self._locked() as lock:
            contents = self.look()
            if not self._make_room(contents, 0):  # the limit was lowered
                return None
            for segment in contents.segments.values():
                if not segment.is_pinned and segment.room >= max(need, _WORTH_GOING_ON):
                    writer = self._take_over(segment, need)
                    if writer is not None:
                        return writer
            return self._new_writer(lock, contents, max(self.segment_size, round_up(need)))

    def new_writers(self, sizes: list[int]) -> list[Writer] | None:
        """New segments of so many bytes, all or None. Raises OSError."""
        with self._locked() as lock:
            contents = self.look()
            if not self._make_room(contents, sum(sizes)):
                return None
            writers = [self._new_writer(lock, contents, size) for size in sizes]
            return [writer for writer in writers if writer is not None]

    def reserve(self, size: int) -> Reservation | None:
        """Set bytes apart for a file elsewhere; None if there is no room. Raises OSError."""
        with self._locked() as lock:
            contents = self.look()
            if size > MOST or not self._make_room(contents, size):
                return None
            path = str(self._folder / reservation_name(self._next_number(lock, contents), size))
            file = OpenFile(self._disk.create(path))
            return Reservation(path, file) if try_flock(file.descriptor) else None

    def make_table(self, level: int) -> bool:
        """Make a table of the index unless it is there; False if there is no room. Raises OSError."""
        path = str(self._folder / table_name(level))
        with self._locked():
            contents = self.look()
            if Path(path).exists():
                return True
            # A table that was filled with garbage must not make the next ones take the place of all chunks.
            if table_size(level) > self.limit // 8 or not self._make_room(contents, table_size(level)):
                return False
            table = OpenFile(self._disk.create(path))
            self._disk.truncate(table.descriptor, table_size(level))
            return True

    def available(self) -> int:
        """What could be had at most, if all were evicted that is not pinned. Raises OSError."""
        contents = self.look()
        return self.limit - contents.used + sum(segment.claim for segment in contents.segments.values() if not segment.is_pinned)

    def rename(self, segment: Segment, capacity: int, *, is_pinned: bool) -> None:
        """Make a segment pinned or ordinary, and its capacity not more than it is. Raises OSError."""
        path = str(self._folder / format_name(segment.number, min(capacity, segment.capacity), is_pinned=is_pinned))
        with self._locked():
            self._disk.rename(segment.path, path)

    def remove(self, segment: Segment) -> None:
        """Remove a segment, also one with a writer: it notices. Raises OSError."""
        with self._locked():
            self._remove(segment, even_if_written=True)

    def evict_oldest(self) -> bool:
        """Give up the bytes of one segment, as the disk is full; false if none can be given up. Raises OSError."""
        with self._locked():
            for segment in _oldest_first(self.look()):
                if segment.size and self._remove(segment):
                    self.evicted += 1
                    return True
        return False

    def remove_all(self, *, pinned: bool) -> None:
        """Remove all segments, those with writers too: they notice. Raises OSError."""
        with self._locked():
            for segment in self.look().segments.values():
                if pinned or not segment.is_pinned:
                    self._remove(segment, even_if_written=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the lock of the folder; gives the descriptor of its file."""
        file = OpenFile(os.open(self._folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with flocked(file.descriptor):
            yield file.descriptor

    def _count(self, file: os.DirEntry[str], contents: Contents) -> None:
        found = file.stat(follow_symlinks=False)
        contents.on_disk += found.st_blocks * 512
        reserved = parse_reservation(file.name)
        if reserved is not None:
            contents.reservations[file.path] = reserved
            contents.used += reserved
            return
        parsed = parse_name(file.name)
        if parsed is None or not stat.S_ISREG(found.st_mode):
            contents.used += max(round_up(found.st_size), _TABLES.get(file.name, 0))
            return
        number, capacity, is_pinned = parsed
        segment = Segment(file.path, number, capacity, is_pinned, found.st_size, found.st_mtime_ns)
        contents.segments[number] = segment
        contents.used += segment.claim
        contents.newest = max(contents.newest, number)

    def _take_over(self, segment: Segment, need: int) -> Writer | None:
        with contextlib.suppress(FileNotFoundError):
            file = OpenFile(os.open(segment.path, os.O_RDWR | os.O_CLOEXEC))
            if try_flock(file.descriptor):
                # Its last writer may have written between our look and its end.
                segment = replace(segment, size=os.fstat(file.descriptor).st_size)
                return Writer(segment, file, self._disk) if segment.room >= need else None
        return None

    def _new_writer(self, lock: int, contents: Contents, capacity: int) -> Writer | None:
        if capacity > MAX_CAPACITY or not self._make_room(contents, capacity):
            return None
        number = self._next_number(lock, contents)
        path = str(self._folder / format_name(number, capacity, is_pinned=False))
        file = OpenFile(self._disk.create(path))
        if not try_flock(file.descriptor):
            return None
        segment = Segment(path, number, capacity, is_pinned=False, size=0, mtime_ns=0)
        contents.segments[number] = segment
        contents.used += capacity
        return Writer(segment, file, self._disk)

    def _next_number(self, lock: int, contents: Contents) -> int:
        # The lock's file remembers the last number: one that was evicted does not come back with other chunks, unless all are used.
        last = max(int.from_bytes(os.pread(lock, 4, 0), "little"), contents.newest)
        number = last + 1 if last < MAX_NUMBER else next(filter(lambda free: free not in contents.segments, count(1)))
        self._disk.write(lock, [number.to_bytes(4, "little")], 0)
        contents.newest = max(number, contents.newest)
        return number

    def _make_room(self, contents: Contents, size: int) -> bool:
        """Evict until `size` more bytes are within the limit; false if that cannot be."""
        self._forget_void_ones(contents)
        excess = contents.used + size - self.limit
        ordinary = _oldest_first(contents)
        if excess > sum(segment.claim for segment in ordinary):
            return False
        for segment in ordinary:
            if contents.used + size <= self.limit:
                break
            if self._remove(segment):
                self.evicted += 1
                contents.used -= segment.claim
                del contents.segments[segment.number]
        return contents.used + size <= self.limit

    def _forget_void_ones(self, contents: Contents) -> None:
        for path, size in list(contents.reservations.items()):
            if is_void(path):
                with contextlib.suppress(FileNotFoundError):
                    self._disk.unlink(path)
                contents.used -= size
                del contents.reservations[path]

    def _remove(self, segment: Segment, *, even_if_written: bool = False) -> bool:
        try:
            file = OpenFile(os.open(segment.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
        except OSError:  # not one of ours, whatever its name
            return False
        if not even_if_written and not try_flock(file.descriptor):
            return False
        self._disk.truncate(file.descriptor, 0)
        self._disk.unlink(segment.path)
        return True


def _oldest_first(contents: Contents) -> list[Segment]:
    """The segments that may be evicted, those used least recently first."""
    ordinary = [segment for segment in contents.segments.values() if not segment.is_pinned]
    return sorted(ordinary, key=lambda segment: (segment.mtime_ns, segment.number))
