"""Segments: files of many chunks, each with a record of its own before it, so that a segment can be read without the index.

    segment   (record, stored bytes)*; behind a process that was killed, the next one goes on at a multiple of 4096
    record    offset  bytes  meaning
                   0      4  "AFc1"
                   4      4  stored size, u32
                   8      4  size, u32: that of the plain bytes
                  12     32  digest of the plain bytes
                  44      4  CRC-32 of the 44 bytes before
    name      NUMBER-CAPACITY.chunks1, or .pinned1 for one that is never evicted: ten decimal digits each

The numbers are little-endian. A segment counts towards the limit with its capacity from the moment at which its name is there, so
nothing needs to be counted when something is written (I7). Numbers are not used twice. Its writer, one process at a time, holds a
flock(2) on it: it ends with the process, however that ends.

The bytes may be anything: what is no record is passed over. Functions may be called from any thread, a `Writer` by one at a time.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from typing_extensions import Buffer

from artfs.chunks.disk_cache.disk import Disk
from artfs.model.digest import Digest
from artfs.model.entry import MAX_CHUNK_SIZE, ChunkRef
from artfs.objectstore.open_files import OpenFile

_RECORD = struct.Struct("<4sII32s")
_CHECK = struct.Struct("<I")
RECORD_SIZE = _RECORD.size + _CHECK.size
_MAGIC = b"AFc1"
#: Where a writer goes on behind another, and where records are looked for behind what is none.
PAGE = 4096
#: Offsets in the index have 32 bits.
MAX_CAPACITY = 1 << 32
MAX_NUMBER = (1 << 32) - 1
#: One system call takes no more than 1024 buffers, two for each chunk.
MAX_BATCH = 512
#: The kernel is told to let go of what was written each time when so much has come, and again until so much more has: by then it
#: is on the disk.
_LET_GO_STEP = 4 << 20
_LET_GO_AGAIN = 32 << 20
_NAME = re.compile(r"([0-9]{10})-([0-9]{10})\.(chunks1|pinned1)")


class Record(NamedTuple):
    """A chunk in a segment: what its record says, and at which offset the record is."""

    digest: Digest
    size: int
    stored_size: int
    offset: int

    @property
    def end(self) -> int:
        return self.offset + RECORD_SIZE + self.stored_size


@dataclass(frozen=True, slots=True)
class Segment:
    """What a name says, and stat(2) of the file when it was looked at."""

    path: str
    number: int
    capacity: int
    is_pinned: bool
    size: int
    mtime_ns: int

    @property
    def claim(self) -> int:
        """The bytes it counts for: its capacity, unless somebody else has made it longer."""
        return max(self.capacity, self.size)

    @property
    def room(self) -> int:
        """What a writer that goes on with it could still write."""
        return self.capacity - round_up(self.size)


def format_name(number: int, capacity: int, *, is_pinned: bool) -> str:
    return f"{number:010}-{capacity:010}.{'pinned1' if is_pinned else 'chunks1'}"


def parse_name(name: str) -> tuple[int, int, bool] | None:
    """Number, capacity and whether it is pinned; None for the name of anything else."""
    match = _NAME.fullmatch(name)
    if match is None or not 0 < int(match[1]) <= MAX_NUMBER or not 0 < int(match[2]) <= MAX_CAPACITY:
        return None
    return int(match[1]), int(match[2]), match[3] == "pinned1"


def round_up(size: int) -> int:
    """`size` in whole pages."""
    return -(-size // PAGE) * PAGE


def record_size(ref: ChunkRef) -> int:
    """What a chunk takes in a segment."""
    return RECORD_SIZE + ref.stored_size


def encode_record(ref: ChunkRef) -> bytes:
    raw = _RECORD.pack(_MAGIC, ref.stored_size, ref.size, ref.digest)
    return raw + _CHECK.pack(zlib.crc32(raw))


def read_record(descriptor: int, offset: int) -> Record | None:
    """The record at `offset`; None if there is none. Raises OSError."""
    raw = os.pread(descriptor, RECORD_SIZE, offset)
    if len(raw) != RECORD_SIZE or not raw.startswith(_MAGIC):
        return None
    if _CHECK.unpack_from(raw, _RECORD.size)[0] != zlib.crc32(raw[: _RECORD.size]):
        return None
    _, stored_size, size, digest = _RECORD.unpack_from(raw)
    if not 0 < stored_size <= size <= MAX_CHUNK_SIZE:
        return None
    return Record(Digest(digest), size, stored_size, offset)


def read_stored(descriptor: int, record: Record) -> bytes:
    """The bytes behind a record, not verified; fewer where the file was cut off. Raises OSError."""
    return os.pread(descriptor, record.stored_size, record.offset + RECORD_SIZE)


def iter_records(descriptor: int, size: int) -> Iterator[Record]:
    """All records in the first `size` bytes that are followed by as many bytes as they say. Raises OSError."""
    offset = 0
    while offset + RECORD_SIZE < size:
        record = read_record(descriptor, offset)
        if record is None or record.end > size:
            offset = round_up(offset + 1)
        else:
            yield record
            offset = record.end


class Writer:
    """The process's right to append to a segment. Whoever makes one holds the flock of `file`."""

    def __init__(self, segment: Segment, file: OpenFile, disk: Disk) -> None:
        self.segment = segment
        self.file = file
        self._disk = disk
        self._end = round_up(segment.size)
        self._told = self._end
        self._written_out = self._end

    @property
    def size(self) -> int:
        return self._end

    @property
    def room(self) -> int:
        return self.segment.capacity - self._end

    @property
    def is_removed(self) -> bool:
        """True once somebody has cleared the cache."""
        return os.fstat(self.file.descriptor).st_nlink == 0

    def append(self, chunks: Sequence[tuple[ChunkRef, Buffer]]) -> list[int]:
        """Write at most MAX_BATCH chunks for which there is room; the offsets of their records. Raises OSError, and then has
        written nothing."""
        buffers: list[Buffer] = []
        offsets = []
        end = self._end
        for ref, stored in chunks:
            buffers += (encode_record(ref), stored)
            offsets.append(end)
            end += record_size(ref)
        try:
            if self._disk.write(self.file.descriptor, buffers, self._end) != end - self._end:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._disk.truncate(self.file.descriptor, self._end)
            raise
        self._end = end
        return offsets

    def let_go(self) -> None:
        """Do not fill the page cache with what was appended: who reads it has it in memory already. Raises OSError.

        The kernel would take new pages for all of it. Seen here, on a virtual machine that gets its memory from the host as it uses
        it: 2.2 s of CPU to write 1 GiB, and 0.3 s with this, as pages are used again.
        """
        if self._end - self._told < _LET_GO_STEP:
            return
        self._disk.let_go(self.file.descriptor, self._written_out, self._end - self._written_out)
        self._told = self._end
        self._written_out = max(self._written_out, self._end - _LET_GO_AGAIN)
