"""Reading all of a cache again: what is damaged is dropped, what the index has lost is entered again.

Others may use the cache meanwhile: what they write is not looked at, what they evict is passed over. Any thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from artfs.chunks.codec import decode_chunk
from artfs.chunks.disk_cache.index import Place
from artfs.chunks.disk_cache.segment import Record, Segment, iter_records, read_stored
from artfs.chunks.disk_cache.shelf import Shelf
from artfs.errors import IntegrityError
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, PackId
from artfs.objectstore.open_files import OpenFile

_NO_PACK = PackId(bytes(16))
#: Chunks that are looked for in the index at once, at 1 KiB of memory each.
_AT_ONCE = 4096


@dataclass(slots=True)
class CacheReport:
    """Chunks that are whole and their bytes, those that were dropped, and those that the index did not know."""

    chunks: int = 0
    bytes_read: int = 0
    damaged: int = 0
    recovered: int = 0


def verify_shelf(shelf: Shelf, on_progress: Callable[[int, int], None]) -> CacheReport:
    """Read and compare all chunks. Raises OSError."""
    report = CacheReport()
    shelf.look()
    segments = shelf.contents.segments
    total, done = sum(segment.size for segment in segments.values()), 0
    whole: dict[Place, Digest] = {}
    ends: dict[int, int] = {}
    for segment in segments.values():
        with contextlib.suppress(FileNotFoundError):  # evicted, or pinned, by another process
            for record, is_whole in _read_segment(segment, ends):
                if is_whole:
                    whole[Place(segment.number, record.offset)] = record.digest
                    report.chunks += 1
                    report.bytes_read += record.stored_size
                on_progress(done + record.offset, total)
        done += segment.size
        on_progress(done, total)
    report.damaged = _drop_others(shelf, whole, ends)
    report.recovered = _enter_unknown(shelf, whole)
    return report


def _read_segment(segment: Segment, ends: dict[int, int]) -> Iterator[tuple[Record, bool]]:
    """The records of a segment, and whether what follows them is what they say."""
    file = OpenFile(os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC))
    end = os.fstat(file.descriptor).st_size
    ends[segment.number] = end
    for record in iter_records(file.descriptor, end):
        ref = ChunkRef(record.digest, record.size, _NO_PACK, record.offset, record.stored_size)
        try:
            decode_chunk(read_stored(file.descriptor, record), ref)
            yield record, True
        except (IntegrityError, OSError):
            yield record, False


def _drop_others(shelf: Shelf, whole: dict[Place, Digest], ends: dict[int, int]) -> int:
    """Empty the slots that lead to nothing whole in what was read; how many there were."""
    dropped = 0
    for place, empty in shelf.index.iter_slots():
        is_read = place.number in ends and place.offset < ends[place.number]
        if is_read and place not in whole:
            dropped += 1
            empty()
        elif place.number not in shelf.contents:  # evicted long ago
            empty()
    return dropped


def _enter_unknown(shelf: Shelf, whole: dict[Place, Digest]) -> int:
    """Enter the chunks that have no place at all; how many there were."""
    here: set[Digest] = set()
    digests = iter(whole.values())
    while some := list(islice(digests, _AT_ONCE)):
        here |= shelf.find_here(some)
    unknown = [(digest, place) for place, digest in whole.items() if digest not in here]
    shelf.index.add(unknown, shelf.contents)
    return len(unknown)
