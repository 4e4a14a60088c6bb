"""Every byte of packs is read again, and each chunk that their own tables name is verified (I3).

The fastest way through a disk or a bucket, which needs no manifest: large ranges, several packs at once. The last range of a pack
is read first, as the table of its chunks is at its end; so a small pack is one request.

Memory: one range for each pack that is being read, and 8 bytes for each sound chunk. Packs are read by a few threads, progress is
told in the caller's, in the order of the packs.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from artfs.chunks.codec import decode_chunk
from artfs.chunks.pack import decode_chunk_table
from artfs.content.pipeline import Pipeline
from artfs.errors import IntegrityError, NotFound
from artfs.model.entry import ChunkRef, PackId, pack_key
from artfs.model.progress import OnShareDone
from artfs.objectstore.protocol import ObjectStore, Piece

#: Bytes of one request, but for less than one chunk more.
_READ_SIZE = 8 << 20
#: Packs read at once. A disk is at its best with few; of a remote store each waits for a request most of the time ...
_LOCAL_READERS = 4
_REMOTE_READERS = 16
#: ... and large ones are so many that no more than this is held.
_UNDER_WAY = 80 << 20


@dataclass(slots=True)
class PackResult:
    """What was found out about a pack: fingerprints of its sound chunks, sorted, and those of its table that are not."""

    sound: array[int] = field(default_factory=lambda: array("Q"))
    bad: set[ChunkRef] = field(default_factory=set)
    table_error: str | None = None
    bytes_read: int = 0

    def is_sound(self, ref: ChunkRef) -> bool:
        """True if a chunk of this digest was found whole at this place."""
        fingerprint = _fingerprint(ref)
        place = bisect_left(self.sound, fingerprint)
        return place < len(self.sound) and self.sound[place] == fingerprint


def read_packs(
    objects: ObjectStore, sizes: Mapping[PackId, int], on_progress: OnShareDone | None = None
) -> dict[PackId, PackResult]:
    """Read the packs, which have these sizes, in this order. `on_progress` is told the bytes done and those to do."""
    total = sum(sizes.values())
    done = 0
    results: dict[PackId, PackResult] = {}

    def finish(pack: PackId, result: PackResult) -> None:
        nonlocal done
        results[pack] = result
        done += sizes[pack]
        if on_progress is not None:
            on_progress(done, total)

    readers = _REMOTE_READERS if objects.is_remote else _LOCAL_READERS
    with ThreadPoolExecutor(readers, thread_name_prefix="artfs-verify") as pool:
        pipeline = Pipeline(pool, _UNDER_WAY)
        try:
            for pack, size in sizes.items():
                pipeline.submit(min(size, _READ_SIZE), partial(_read_pack, objects, pack, size), partial(finish, pack))
            pipeline.drain()
        except BaseException:
            pipeline.cancel()
            raise
    return results


def _read_pack(objects: ObjectStore, pack: PackId, size: int) -> PackResult:
    result = PackResult()
    start = max(0, size - _READ_SIZE)
    try:
        end = bytes(objects.read_range(pack_key(pack), start, size - start)) if size else b""
        table = decode_chunk_table(pack, end, size)
    except (IntegrityError, NotFound) as error:
        result.table_error = str(error)
        return result
    in_end = [ref for ref in table if ref.offset >= start]
    result.bad.update(_still_bad(objects, _bad_ones(in_end, start, end)))
    del end  # before more is read
    for refs in _batches(table[: len(table) - len(in_end)]):
        result.bad.update(_still_bad(objects, _read(objects, refs)))
    result.bytes_read = sum(ref.stored_size for ref in table)
    result.sound = array("Q", sorted(_fingerprint(ref) for ref in table if ref not in result.bad))
    return result


def _batches(refs: Sequence[ChunkRef]) -> Iterator[list[ChunkRef]]:
    batch: list[ChunkRef] = []
    size = 0
    for ref in refs:
        batch.append(ref)
        size += ref.stored_size
        if size >= _READ_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _still_bad(objects: ObjectStore, refs: list[ChunkRef]) -> list[ChunkRef]:
    """Those that are not whole when they are read once more: what went wrong on the way is no damage."""
    return _read(objects, refs) if refs else []


def _read(objects: ObjectStore, refs: list[ChunkRef]) -> list[ChunkRef]:
    """Those of chunks that lie near each other, in the order of their places, that are not whole."""
    start, last = refs[0].offset, refs[-1]
    try:
        stored = objects.read_range(pack_key(last.pack), start, last.offset + last.stored_size - start)
    except (IntegrityError, NotFound):
        return refs
    return _bad_ones(refs, start, stored)


def _bad_ones(refs: Sequence[ChunkRef], start: int, stored: Piece) -> list[ChunkRef]:
    """Those that are not whole in `stored`, which begins at `start`. What is decoded is let go at once."""
    bad: list[ChunkRef] = []
    view = memoryview(stored)
    for ref in refs:
        try:
            decode_chunk(view[ref.offset - start : ref.offset - start + ref.stored_size], ref)
        except IntegrityError:
            bad.append(ref)
    return bad


def _fingerprint(ref: ChunkRef) -> int:
    """64 bits that tell chunks of one pack apart by digest, sizes and place."""
    return int.from_bytes(ref.digest[:8]) ^ (ref.size << 40) ^ (ref.offset << 24) ^ ref.stored_size
