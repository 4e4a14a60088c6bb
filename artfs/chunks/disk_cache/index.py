"""Where each chunk lies: hash tables in files, read and written in place by all processes at once.

So a process that starts has nothing to load, one that writes has nobody to tell, and nothing of it is in anybody's memory but the
kernel's. What is in a table is a hint: a chunk is verified after it was read (I3), so a slot may be out of date, torn or garbage.

    table     index1-LEVEL: 256 KiB << (3 × LEVEL) bytes, pages of 64 slots; a hole is as good as zeros
    page      the first 8 bytes of the digest, little-endian, modulo the number of pages
    slot      offset  bytes  meaning
                   0      8  bytes 8 to 15 of the digest
                   8      4  number of the segment, u32; 0 in a slot that was never used
                  12      4  offset of the record in it, u32

A chunk is in the first table whose page had room: a slot that was never used, or whose segment is there no more. When all are full,
a table eight times as large as the last one follows, if there is room for it within the limit.

Chunks are looked for many at a time: each system call gives up the interpreter, and a table that is not much longer than the pages
asked for is read as a whole.

Finding needs no lock. Those who change a table hold a flock(2) on the first one and `_lock` (a flock does not part the threads of a
process), for microseconds: two who saw the same free slot would otherwise lose a chunk. Any thread.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from artfs.chunks.disk_cache.disk import Disk
from artfs.chunks.disk_cache.locks import flocked
from artfs.model.digest import Digest
from artfs.objectstore.open_files import OpenFile

_SLOT = struct.Struct("<8sII")
_SLOTS = 64
_PAGE_SIZE = _SLOTS * _SLOT.size
_NUMBERS = struct.Struct("<" + "8xI4x" * _SLOTS)
_FIRST_SIZE = 256 << 10
#: 8 GiB: enough for 500 million chunks.
MAX_LEVELS = 6
_EMPTY = bytes(_SLOT.size)
#: A table of at most so many bytes for each chunk that is looked for is read as a whole: copying them takes no longer than a read.
_WHOLE = 32 << 10


class Place(NamedTuple):
    """Where a chunk may lie."""

    number: int
    offset: int


def table_name(level: int) -> str:
    return f"index1-{level}"


def table_size(level: int) -> int:
    return _FIRST_SIZE << (3 * level)


class Index:
    """The tables in `folder`. `make_table(level)` makes one, or returns False where there is no room for it."""

    def __init__(self, folder: Path, disk: Disk, make_table: Callable[[int], bool]) -> None:
        self._folder = folder
        self._disk = disk
        self._make_table = make_table
        self._tables: list[OpenFile] = []
        self._lock = threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        """Take in the tables that others have made, and forget those that somebody has removed. Raises OSError."""
        tables: list[OpenFile] = []
        for level in range(MAX_LEVELS):
            try:
                found = os.stat(self._folder / table_name(level))  # noqa: PTH116 -- beside fstat
                if level < len(self._tables) and os.path.samestat(found, os.fstat(self._tables[level].descriptor)):
                    tables.append(self._tables[level])
                else:
                    tables.append(OpenFile(os.open(self._folder / table_name(level), os.O_RDWR | os.O_CLOEXEC)))
            except FileNotFoundError:
                break
        self._tables = tables

    def find(self, wanted: Collection[Digest]) -> Iterator[tuple[Digest, Place]]:
        """Where the chunks may lie, by what the tables say, the newest table first. Raises OSError.

        The caller may take out of `wanted` what it has found: older tables are not asked for that.
        """
        tables = self._tables  # another thread may replace it
        for level in range(len(tables) - 1, -1, -1):
            digests = list(wanted)
            pages = _read_pages(tables[level], level, digests)
            for digest in digests:
                for place in _places(pages[_page_start(level, digest)], digest):
                    yield digest, place

    def add(self, places: Iterable[tuple[Digest, Place]], alive: Container[int]) -> bool:
        """Enter chunks; slots of segments that are not `alive` may be taken. False if there is no room for all. Raises OSError."""
        left = list(places)
        while True:
            with self._changing() as tables:
                for level, table in enumerate(tables):
                    left = self._add(table, level, left, alive)
            if not left:
                return True
            if not self._add_table(len(tables)):  # not under the lock: whoever makes room for a table takes another
                return False

    def drop(self, digest: Digest, place: Place) -> None:
        """Forget that the chunk lies there. Raises OSError."""
        slot = _SLOT.pack(digest[8:16], *place)
        with self._changing() as tables:
            for level, table in enumerate(tables):
                start = _page_start(level, digest)
                at = _read_pages(table, level, [digest])[start].find(slot)
                if at >= 0 and at % _SLOT.size == 0:
                    self._disk.write(table.descriptor, [_EMPTY], start + at)

    def iter_slots(self) -> Iterator[tuple[Place, Callable[[], None]]]:
        """All slots that were used, each with what empties it. Raises OSError."""
        for level, table in enumerate(self._tables):
            for start in range(0, table_size(level), _PAGE_SIZE):
                page = os.pread(table.descriptor, _PAGE_SIZE, start)
                for at in range(0, len(page) // _SLOT.size * _SLOT.size, _SLOT.size):
                    _, number, offset = _SLOT.unpack_from(page, at)
                    if number:
                        yield Place(number, offset), partial(self._empty, table, start + at, page[at : at + _SLOT.size])

    def clear(self) -> None:
        """Forget all. Raises OSError."""
        with self._changing() as tables:
            for level, table in enumerate(tables):
                self._disk.truncate(table.descriptor, 0)
                self._disk.truncate(table.descriptor, table_size(level))

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[OpenFile]]:
        """The right to change the tables, which may be none. Another thread may take in others meanwhile."""
        tables = self._tables
        if not tables:
            yield tables
            return
        with self._lock, flocked(tables[0].descriptor):
            yield tables

    def _empty(self, table: OpenFile, start: int, slot: bytes) -> None:
        with self._changing():
            if os.pread(table.descriptor, _SLOT.size, start) == slot:  # else somebody has used it anew
                self._disk.write(table.descriptor, [_EMPTY], start)

    def _add(
        self, table: OpenFile, level: int, places: list[tuple[Digest, Place]], alive: Container[int]
    ) -> list[tuple[Digest, Place]]:
        """Enter those for which their pages have room; the others."""
        pages = _read_pages(table, level, [digest for digest, _ in places])
        left = []
        for digest, place in places:
            start = _page_start(level, digest)
            at = _free_slot(pages[start], alive)
            if at is None:
                left.append((digest, place))
                continue
            slot = _SLOT.pack(digest[8:16], *place)
            self._disk.write(table.descriptor, [slot], start + at)
            pages[start][at : at + _SLOT.size] = slot
        return left

    def _add_table(self, level: int) -> bool:
        if level == MAX_LEVELS or not self._make_table(level):
            return False
        self.refresh()
        return len(self._tables) > level


def _page_start(level: int, digest: Digest) -> int:
    return int.from_bytes(digest[:8], "little") % (table_size(level) // _PAGE_SIZE) * _PAGE_SIZE


def _read_pages(table: OpenFile, level: int, digests: Iterable[Digest]) -> dict[int, bytearray]:
    """The pages for these digests, by where they begin; a table that was cut off ends in zeros."""
    starts = {_page_start(level, digest) for digest in digests}
    size = table_size(level)
    if size > _WHOLE * len(starts):
        return {start: _page(os.pread(table.descriptor, _PAGE_SIZE, start)) for start in starts}
    whole = memoryview(os.pread(table.descriptor, size, 0))
    return {start: _page(whole[start : start + _PAGE_SIZE]) for start in starts}


def _page(data: bytes | memoryview) -> bytearray:
    return bytearray(data).ljust(_PAGE_SIZE, b"\0")


def _places(page: bytearray, digest: Digest) -> Iterator[Place]:
    tag = digest[8:16]
    at = page.find(tag)
    while at >= 0:
        if at % _SLOT.size == 0:
            _, number, offset = _SLOT.unpack_from(page, at)
            if number:
                yield Place(number, offset)
        at = page.find(tag, at + 1)


def _free_slot(page: bytearray, alive: Container[int]) -> int | None:
    """Where a slot begins that may be taken."""
    for slot, number in enumerate(_NUMBERS.unpack(page)):
        if not number or number not in alive:
            return slot * _SLOT.size
    return None
