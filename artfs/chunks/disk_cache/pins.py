"""Pins: chunks that stay whatever is evicted, until they are unpinned.

They lie in pinned segments, each chunk once however many pins need it; a list for each pin says which it needs. To pin is to read
all of them through a `PinningCache`: what it does not have pinned it takes from the ordinary segments, or else is given by whoever
fetches it. Room for all is reserved first, as segments with a writer, which nobody evicts; they are pinned by their names before
the list is there. So a crash leaves segments that are ordinary, or that no list needs and the next change makes ordinary.

One process at a time pins or unpins. Methods raise OSError as well. Any thread.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from typing_extensions import Buffer

from artfs.chunks.disk_cache.disk import Disk
from artfs.chunks.disk_cache.locks import try_flock
from artfs.chunks.disk_cache.pin_list import PinList, encode_pin_list, list_name, read_pin_lists
from artfs.chunks.disk_cache.segment import (
    MAX_BATCH,
    MAX_CAPACITY,
    Record,
    Segment,
    Writer,
    iter_records,
    read_stored,
    record_size,
    round_up,
)
from artfs.chunks.disk_cache.shelf import Chunks, Shelf, fitting, total_size
from artfs.errors import Busy, IntegrityError, StoreFull
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, PackId
from artfs.objectstore.open_files import OpenFile

#: Descriptors of segments that are filled by one pin.
_MOST_SEGMENTS = 256
_NO_PACK = PackId(bytes(16))


class PinningCache:
    """A `ChunkCache` whose chunks are all pinned: in `pinned` segments already, or in those of `writers`."""

    def __init__(self, shelf: Shelf, pinned: set[Digest], writers: list[Writer], label: str) -> None:
        self._shelf = shelf
        self.writers = writers
        self.pinned = pinned
        self._label = label
        self._safe = {number for number, segment in shelf.contents.segments.items() if segment.is_pinned}
        self._safe.update(writer.segment.number for writer in writers)
        self._lock = threading.Lock()

    def get(self, refs: Sequence[ChunkRef]) -> dict[Digest, bytes]:
        """Those of the chunks that are on this disk; they are pinned when it returns."""
        found: dict[Digest, bytes] = {}
        for ref in refs:
            # An ordinary segment may have it too: that it was found there does not mean that the pinned one is damaged.
            held = next(self._shelf.read([ref], self._safe), None)
            if held is None:
                self._forget(ref.digest)
                held = next(self._shelf.read([ref]), None)
                if held is None:
                    continue
                self.put([(held.ref, held.stored)])
            found[ref.digest] = held.plain
        return found

    def put(self, chunks: Chunks) -> None:
        """Pin chunks. StoreFull when there is no room: less was reserved than they take."""
        with self._lock:
            left = list({ref.digest: (ref, stored) for ref, stored in chunks if ref.digest not in self.pinned}.values())
            while left:
                writer = self._writer(record_size(left[0][0]))
                count = fitting(left, writer.room)
                if not self._shelf.append(writer, left[:count]):
                    raise StoreFull(f"no room in the cache for the index of {self._label}: raise cache_limit")
                self.pinned.update(ref.digest for ref, _ in left[:count])
                left = left[count:]

    def _writer(self, need: int) -> Writer:
        for writer in self.writers:
            if writer.room >= need:
                return writer
        more = self._shelf.room.new_writers([max(self._shelf.room.segment_size, round_up(need))])
        if more is None:
            raise StoreFull(f"no room is left in the cache for all of {self._label}: unpin something, or raise cache_limit")
        self.writers += more
        self._safe.add(more[0].segment.number)
        return more[0]

    def _forget(self, digest: Digest) -> None:
        with self._lock:
            self.pinned.discard(digest)


class Pins:
    """The pins of the cache in `folder`."""

    def __init__(self, folder: Path, shelf: Shelf, disk: Disk) -> None:
        self._folder = folder
        self._shelf = shelf
        self._disk = disk

    @contextlib.contextmanager
    def pinning(self, label: str, refs: Sequence[ChunkRef]) -> Iterator[PinningCache]:
        """Pin the chunks under `label`: the caller reads all of them through what this gives.

        StoreFull, with what is needed and what can be had, when they do not fit into the limit; Busy while another process pins.
        Nothing is pinned when the caller fails.
        """
        with self._alone():
            self._shelf.look()
            wanted = {ref.digest: ref for ref in refs}
            pinned = {digest for digest in wanted if self._is_pinned(digest)}
            writers = self._reserve(label, [ref for digest, ref in wanted.items() if digest not in pinned])
            cache = PinningCache(self._shelf, pinned, writers, label)
            try:
                yield cache
                self._finish(label, wanted, cache)
            finally:
                self._release(cache.writers)
            self._settle()

    def unpin(self, label: str) -> bool:
        """Take a pin away; its chunks may be evicted unless another pin needs them. False if there is none of this label."""
        with self._alone():
            path = self._folder / list_name(label)
            if not path.exists():
                return False
            self._disk.unlink(str(path))
            self._settle()
            return True

    def unpin_all(self) -> None:
        with self._alone():
            for pin in read_pin_lists(self._folder):
                self._disk.unlink(str(self._folder / list_name(pin.label)))

    def missing(self, pin: PinList) -> int:
        """How many chunks of a pin are not here."""
        return sum(not self._is_pinned(digest) for digest in pin.iter_digests())

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        file = OpenFile(os.open(self._folder / "pins.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if not try_flock(file.descriptor):
            raise Busy(f"another process is changing what is pinned in {self._folder}: try again when it is done")
        yield

    def _is_pinned(self, digest: Digest) -> bool:
        segments = (self._shelf.contents.segments.get(place.number) for _, place in self._shelf.index.find([digest]))
        return any(segment is not None and segment.is_pinned for segment in segments)

    def _reserve(self, label: str, refs: Sequence[ChunkRef]) -> list[Writer]:
        """Segments for all of `refs`, in the order in which they come or in another one."""
        if not refs:
            return []
        need, largest = total_size(refs), max(map(record_size, refs))
        full = min(MAX_CAPACITY, round_up(max(self._shelf.room.segment_size, need // _MOST_SEGMENTS, 2 * largest)))
        need += (need // full + 2) * largest  # a segment is left when a chunk does not fit into it
        sizes = [full] * (need // full + 1)
        sizes[-1] = round_up(need % full) or full
        writers = self._shelf.room.new_writers(sizes)
        if writers is None:
            available = max(0, self._shelf.room.available())
            raise StoreFull(
                f"{label} needs {sum(sizes)} bytes in the cache, and only {available} of its limit of {self._shelf.room.limit} "
                "can be had: unpin something, or raise cache_limit"
            )
        return writers

    def _finish(self, label: str, wanted: dict[Digest, ChunkRef], cache: PinningCache) -> None:
        if not wanted.keys() <= cache.pinned:
            raise IntegrityError(f"not all of {label} could be kept in the cache: see `artfs cache verify`")
        for writer in cache.writers:
            if writer.size:
                os.fsync(writer.file.descriptor)
                self._shelf.room.rename(writer.segment, round_up(writer.size), is_pinned=True)
        size = sum(ref.stored_size for ref in wanted.values())
        self._write(PinList(label, size, b"".join(sorted(wanted))))

    def _release(self, writers: list[Writer]) -> None:
        while writers:  # one by one: a traceback may keep the list, and with it the locks
            writer = writers.pop()
            if not writer.size:
                self._shelf.room.remove(writer.segment)

    def _write(self, pin: PinList) -> None:
        path = self._folder / list_name(pin.label)
        temporary = path.with_suffix(".new")
        data = encode_pin_list(pin)
        with contextlib.suppress(FileNotFoundError):
            self._disk.unlink(str(temporary))
        file = OpenFile(self._disk.create(str(temporary)))
        self._disk.write(file.descriptor, [data], 0)
        os.fsync(file.descriptor)
        self._disk.rename(str(temporary), str(path))

    def _settle(self) -> None:
        """Make ordinary what is pinned and no list needs."""
        needed: set[Digest] = set()
        for pin in read_pin_lists(self._folder):
            needed.update(pin.iter_digests())
        for segment in self._shelf.room.look().segments.values():
            if segment.is_pinned:
                with contextlib.suppress(FileNotFoundError):
                    self._settle_segment(segment, needed)

    def _settle_segment(self, segment: Segment, needed: set[Digest]) -> None:
        file = OpenFile(os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC))
        records = list(iter_records(file.descriptor, segment.size))
        kept = [record for record in records if record.digest in needed]
        if kept and (len(kept) == len(records) or not self._move(file, kept)):
            return
        self._shelf.room.rename(segment, segment.capacity, is_pinned=False)

    def _move(self, file: OpenFile, records: list[Record]) -> bool:
        """Copy what other pins need out of a segment; false where there is no room: then it stays as it is."""
        need = sum(record.end - record.offset for record in records)
        writers = self._shelf.room.new_writers([round_up(need)])
        if writers is None:
            return False
        for start in range(0, len(records), MAX_BATCH):
            batch = records[start : start + MAX_BATCH]
            if not self._shelf.append(writers[0], [_held(file, record) for record in batch]):
                return False
        self._shelf.room.rename(writers[0].segment, round_up(need), is_pinned=True)
        return True


def _held(file: OpenFile, record: Record) -> tuple[ChunkRef, Buffer]:
    ref = ChunkRef(record.digest, record.size, _NO_PACK, record.offset, record.stored_size)
    return ref, read_stored(file.descriptor, record)
