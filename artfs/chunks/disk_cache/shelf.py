"""An open cache folder: chunks out of its segments, and into the one that this process writes.

Reading takes no lock: the index may be wrong and a segment may vanish meanwhile, and a digest tells (I3). Putting takes a lock for
the threads of this process. Raises OSError where the folder cannot be read or written. Not for a process that was forked from the
one that opened it: the locks on open files would be shared.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from typing_extensions import Buffer

from artfs.chunks.codec import decode_chunk
from artfs.chunks.disk_cache.disk import FULL, Disk
from artfs.chunks.disk_cache.index import Index, Place
from artfs.chunks.disk_cache.room import Contents, Room
from artfs.chunks.disk_cache.segment import MAX_BATCH, RECORD_SIZE, Segment, Writer, read_record, read_stored, record_size
from artfs.errors import IntegrityError
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef
from artfs.objectstore.open_files import OpenFile, OpenFiles

logger = logging.getLogger(__name__)

_OPEN_SEGMENTS = 64
#: A segment that is read is marked as used this often: eviction need not know it better.
_TOUCH_AFTER_S = 60.0
#: The clock of a file system may stand still for so long: a folder that changed as late as this may have changed once more.
_CLOCK_TICK_NS = 50_000_000

Chunks = Sequence[tuple[ChunkRef, Buffer]]


@dataclass(slots=True)
class Counts:
    """What this process has done with the cache."""

    hits: int = 0
    misses: int = 0
    bytes_read: int = 0
    bytes_kept: int = 0
    damaged: int = 0
    not_kept: int = 0


class Held(NamedTuple):
    """A chunk as it is in the segment of this number: its stored size may be another one than in the pack that was asked for."""

    number: int
    ref: ChunkRef
    stored: bytes
    plain: bytes


class Shelf:
    """The cache in `folder`, which must be there."""

    def __init__(self, folder: Path, limit: int, disk: Disk, counts: Counts) -> None:
        self.process = os.getpid()
        self.room = Room(folder, limit, disk)
        self.index = Index(folder, disk, self.room.make_table)
        self._folder = folder
        self._counts = counts
        self._files = OpenFiles(_OPEN_SEGMENTS)
        self._touched: dict[int, float] = {}
        self._writing = threading.Lock()
        self._writer: Writer | None = None
        self._looked_ns = 0
        self.contents = Contents()
        self.look()

    def look(self) -> bool:
        """Take in what others have made and removed; true if anything may be new. Raises OSError."""
        changed_ns = self._folder.stat().st_mtime_ns
        if changed_ns + _CLOCK_TICK_NS < self._looked_ns:
            return False
        now_ns = time.time_ns()
        self.contents = self.room.look()
        self._looked_ns = now_ns
        self.index.refresh()
        return True

    def read(self, refs: Iterable[ChunkRef], within: Container[int] | None = None) -> Iterator[Held]:
        """Those of the chunks that are here, or in these segments, each once and verified (I3). Raises OSError."""
        wanted = {ref.digest: ref for ref in refs}
        yield from self._search(wanted, within)
        if wanted and self.look():
            yield from self._search(wanted, within)

    def keep(self, chunks: Chunks) -> None:
        """Keep those of the chunks that are not here, as far as there is room. Raises OSError."""
        with self._writing:
            self.look()
            new = {ref.digest: (ref, stored) for ref, stored in chunks}
            here = self.find_here(new)
            left = [chunk for digest, chunk in new.items() if digest not in here]
            while left:
                try:
                    left = left[self._keep_first(left) :]
                except OSError as error:
                    if error.errno not in FULL or not self.room.evict_oldest():
                        self._counts.not_kept += len(left)
                        raise

    def _keep_first(self, chunks: Chunks) -> int:
        """Keep some of the chunks, or find that there is no room; how many were dealt with. Raises OSError."""
        writer = self._ready_writer(record_size(chunks[0][0]))
        if writer is None:
            self._counts.not_kept += len(chunks)
            return len(chunks)
        count = fitting(chunks, writer.room)
        if not self.append(writer, chunks[:count]):
            self._counts.not_kept += count
        writer.let_go()
        return count

    def append(self, writer: Writer, chunks: Chunks) -> bool:
        """Write chunks for which there is room, and enter them into the index; False if it has no room. Raises OSError."""
        number = writer.segment.number
        offsets = writer.append(chunks)
        self._counts.bytes_kept += sum(ref.stored_size for ref, _ in chunks)
        places = [(ref.digest, Place(number, offset)) for (ref, _), offset in zip(chunks, offsets, strict=True)]
        # Entered when they are written, so that a crash between leaves bytes that nobody finds and not a place without bytes.
        return self.index.add(places, self.contents)

    def find_here(self, digests: Collection[Digest]) -> set[Digest]:
        """Those of the chunks of which the index knows a place in a segment that was here at the last look. Raises OSError."""
        return {digest for digest, place in self.index.find(digests) if place.number in self.contents.segments}

    def drop_damaged(self, digest: Digest, place: Place) -> None:
        """Forget a chunk that is not what it should be. Raises OSError."""
        self._counts.damaged += 1
        logger.info("chunk %s in segment %d of the cache was damaged and is fetched again", digest.hex(), place.number)
        self.index.drop(digest, place)

    def _ready_writer(self, need: int) -> Writer | None:
        writer = self._writer
        if writer is not None and (writer.room < need or writer.is_removed):
            writer = self._writer = None
        if writer is None:
            writer = self._writer = self.room.open_writer(need)
            self._looked_ns = 0
            self.look()
        return writer

    def _search(self, wanted: dict[Digest, ChunkRef], within: Container[int] | None) -> Iterator[Held]:
        """Those that are found, which are taken out of `wanted`."""
        for digest, place in self.index.find(wanted):
            if within is not None and place.number not in within:
                continue
            ref = wanted.get(digest)  # None: it was at another place
            held = None if ref is None else self._read_at(place, ref)
            if held is not None:
                del wanted[digest]
                yield held

    def _read_at(self, place: Place, ref: ChunkRef) -> Held | None:
        segment = self._find(place.number)
        if segment is None:
            if place.number in self.contents:  # of no segment there ever was
                self.index.drop(ref.digest, place)
            return None
        try:
            file = self._files.get(segment.path)
        except FileNotFoundError:
            self._looked_ns = 0  # evicted, or pinned and so renamed
            return None
        self._touch(segment)
        # The record is read only when something is wrong: a digest says more than it does.
        try:
            stored = os.pread(file.descriptor, ref.stored_size, place.offset + RECORD_SIZE)
            if len(stored) == ref.stored_size:
                return Held(segment.number, ref, stored, decode_chunk(stored, ref))
        except (IntegrityError, OSError):  # a disk that cannot read it is one more way to be damaged
            pass
        return self._read_by_record(segment, file, place, ref)

    def _read_by_record(self, segment: Segment, file: OpenFile, place: Place, ref: ChunkRef) -> Held | None:
        """The chunk in the form in which it is here, which another pack may have in another form."""
        found = os.fstat(file.descriptor)
        if not found.st_nlink or not found.st_size:  # evicted, now or in a moment
            self._files.forget(segment.path)
            self._looked_ns = 0
            self.index.drop(ref.digest, place)
            return None
        with contextlib.suppress(IntegrityError, OSError):
            record = read_record(file.descriptor, place.offset)
            if record is not None and record.digest == ref.digest and record.size == ref.size:
                stored, as_here = read_stored(file.descriptor, record), ref._replace(stored_size=record.stored_size)
                return Held(segment.number, as_here, stored, decode_chunk(stored, as_here))
        self.drop_damaged(ref.digest, place)
        return None

    def _find(self, number: int) -> Segment | None:
        segment = self.contents.segments.get(number)
        if segment is None and number in self.contents:
            self.look()
            segment = self.contents.segments.get(number)
        return segment

    def _touch(self, segment: Segment) -> None:
        now_s = time.monotonic()
        if now_s - self._touched.get(segment.number, -_TOUCH_AFTER_S) >= _TOUCH_AFTER_S:
            self._touched[segment.number] = now_s
            with contextlib.suppress(OSError):
                os.utime(segment.path)


def fitting(chunks: Chunks, room: int) -> int:
    """How many of the chunks, from the first on, can be written at once where there is so much room."""
    count = 0
    for ref, _ in chunks[:MAX_BATCH]:
        room -= record_size(ref)
        if room < 0:
            break
        count += 1
    return count


def total_size(refs: Iterable[ChunkRef]) -> int:
    """What chunks take in segments."""
    return sum(map(record_size, refs))
