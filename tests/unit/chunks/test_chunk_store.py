"""Chunks by reference: verified (I3), few requests, fetched once, bounded memory."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artfs.chunks.memory_cache import MemoryCache
from artfs.chunks.pack_reads import MAX_RUN
from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.errors import IntegrityError, StoreUnavailable
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, LeaseId, pack_key
from artfs.objectstore.local import LocalStore
from tests.unit.chunks.packs import GatedStore, write_chunks

KIB = 1 << 10
NOISE = [random.Random(i).randbytes(20_000 + 1000 * i) for i in range(12)]
TEXT = [b"a line of text %d\n" % i * 2000 for i in range(6)]


def test_a_run_of_chunks_is_one_request() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE + TEXT)
    assert ChunkStore(objects, SharedFetches(0)).read(refs) == NOISE + TEXT
    assert len(objects.reads) == 1


def test_the_order_and_repetition_of_the_references_do_not_matter() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    chosen = [5, 3, 3, 11, 0, 5]
    for read in (
        ChunkStore(objects, SharedFetches(1 << 20)).read,
        ChunkStore(objects, SharedFetches(0)).read,
        ChunkStore(objects, SharedFetches(0)).read_uncached,
    ):
        assert read([refs[i] for i in chosen]) == [NOISE[i] for i in chosen]
    assert ChunkStore(objects, SharedFetches(0)).read([]) == []


def test_small_gaps_are_bridged_and_large_ones_are_not() -> None:
    objects = GatedStore()
    chunks = [b"a" * 100, NOISE[0], b"b" * 100, random.Random(1).randbytes(200 * KIB), b"c" * 100]
    refs = write_chunks(objects, chunks)
    assert ChunkStore(objects, SharedFetches(0)).read([refs[0], refs[2], refs[4]]) == [chunks[0], chunks[2], chunks[4]]
    assert [(offset, length) for _, offset, length in objects.reads] == [
        (0, refs[2].offset + refs[2].stored_size),
        (refs[4].offset, refs[4].stored_size),
    ]


def test_each_pack_is_asked_by_itself() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE, target_size=50_000)
    assert ChunkStore(objects, SharedFetches(0)).read(refs) == NOISE
    assert len(objects.reads) == len({ref.pack for ref in refs}) > 2


def test_one_request_has_a_bound() -> None:
    objects = GatedStore()
    chunks = [random.Random(i).randbytes(1 << 20) for i in range(20)]
    refs = write_chunks(objects, chunks)
    assert ChunkStore(objects, SharedFetches(0)).read_uncached(refs) == chunks
    assert max(length for _, _, length in objects.reads) <= MAX_RUN


def test_what_is_in_memory_is_not_asked_for_again() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    chunks = ChunkStore(objects, SharedFetches(1 << 20))
    chunks.read(refs[:6])
    objects.reads.clear()
    assert chunks.read(refs[2:8]) == NOISE[2:8]
    assert objects.reads == [(pack_key(refs[6].pack), refs[6].offset, refs[6].stored_size + refs[7].stored_size)]
    assert chunks.peek(refs[0].digest) == NOISE[0]
    assert chunks.peek(refs[8].digest) is None


def test_uncached_reading_neither_uses_nor_fills_the_memory() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    chunks = ChunkStore(objects, SharedFetches(1 << 20))
    chunks.read_uncached(refs)
    assert chunks.peek(refs[0].digest) is None
    chunks.read(refs)
    objects.reads.clear()
    assert chunks.read_uncached(refs) == NOISE
    assert objects.reads


def test_the_memory_is_bounded_and_drops_what_was_used_longest_ago() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    chunks = ChunkStore(objects, SharedFetches(60_000))
    chunks.read(refs[0:2])
    chunks.peek(refs[0].digest)
    chunks.read(refs[3:4])
    there = [i for i, ref in enumerate(refs) if chunks.peek(ref.digest) is not None]
    assert there == [0, 3]
    chunks.read(refs)
    assert sum(len(NOISE[i]) for i, ref in enumerate(refs) if chunks.peek(ref.digest) is not None) <= 60_000


def test_a_cache_never_holds_more_than_its_limit() -> None:
    cache = MemoryCache(100)
    for i in range(50):
        data = bytes(i * 7 % 120)
        cache.put(Digest(bytes([i]) * 32), data)
        held = [cache.get(Digest(bytes([j]) * 32)) for j in range(i + 1)]
        assert sum(len(chunk) for chunk in held if chunk is not None) <= 100


def test_a_view_keeps_all_of_its_buffer_and_counts_for_it() -> None:
    cache = MemoryCache(1000)
    first, second, large = (memoryview(bytes([i]) * size) for i, size in enumerate((200, 200, 900)))
    for number, view in enumerate((first[:10], first[10:20], second[:100])):
        cache.put(number, view)
    cache.reserve(600)
    assert cache.get(0) == first[:10]
    cache.reserve(100)
    assert [cache.get(number) for number in range(3)] == [first[:10], first[10:20], None]
    cache.release(700)
    cache.put(3, large[:50])
    assert isinstance(cache.get(3), bytes)
    assert cache.get(0) is not None


def test_chunks_of_one_request_are_views_of_what_it_has_brought() -> None:
    objects = GatedStore()
    chunks = ChunkStore(objects, SharedFetches(8 << 20))
    pieces = chunks.read_pieces(write_chunks(objects, NOISE))
    assert pieces == NOISE
    assert len({id(piece.obj) for piece in pieces if isinstance(piece, memoryview)}) == 1
    texts = chunks.read_pieces(write_chunks(objects, [*TEXT, NOISE[0]]))
    assert all(isinstance(piece, bytes) for piece in texts[:-1])


def test_many_readers_of_one_chunk_fetch_it_once() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    chunks = ChunkStore(objects, SharedFetches(1 << 20))
    objects.gate.clear()
    with ThreadPoolExecutor(8) as threads:
        readers = [threads.submit(chunks.read, refs[:3]) for _ in range(8)]
        assert objects.asked.acquire(timeout=30)
        objects.gate.set()
        assert all(reader.result(30) == NOISE[:3] for reader in readers)
    assert len(objects.reads) == 1


def test_readers_of_overlapping_ranges_do_not_wait_for_each_other_for_ever() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    for seed in range(20):
        chunks = ChunkStore(objects, SharedFetches(30_000))
        start = threading.Barrier(6)

        def read(which: int, chunks: ChunkStore = chunks, start: threading.Barrier = start, seed: int = seed) -> bool:
            chosen = random.Random(seed * 10 + which).sample(range(len(refs)), 6)
            start.wait(30)
            return chunks.read([refs[i] for i in chosen]) == [NOISE[i] for i in chosen]

        with ThreadPoolExecutor(6) as threads:
            assert all(threads.map(read, range(6), timeout=60))


def test_a_reader_whose_fellow_failed_fetches_itself() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    chunks = ChunkStore(objects, SharedFetches(1 << 20))
    objects.gate.clear()
    objects.error = StoreUnavailable("the line is down")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(chunks.read, refs[:1])
        assert objects.asked.acquire(timeout=30)
        second = threads.submit(chunks.read, refs[:1])
        objects.gate.set()
        for reader in (first, second):
            with pytest.raises(StoreUnavailable):
                reader.result(30)
    objects.error = None
    assert chunks.read(refs[:1]) == NOISE[:1]


def test_a_damaged_chunk_is_told_with_pack_offset_and_digest_and_its_neighbours_are_read() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    key = pack_key(refs[0].pack)
    whole = bytearray(objects.get(key))
    whole[refs[4].offset + 100] ^= 1
    objects.put(key, [whole])
    chunks = ChunkStore(objects, SharedFetches(1 << 20))
    for read in (chunks.read, chunks.read_uncached):
        with pytest.raises(IntegrityError, match=f"{refs[4].digest.hex()} at offset {refs[4].offset} of {key}"):
            read(refs)
    assert chunks.peek(refs[4].digest) is None
    assert chunks.read(refs[:4] + refs[5:]) == NOISE[:4] + NOISE[5:]


def test_a_pack_that_ends_early_is_told_by_the_first_chunk_that_is_cut_off() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    key = pack_key(refs[0].pack)
    objects.put(key, [objects.get(key)[: refs[6].offset + 10]])
    with pytest.raises(IntegrityError, match=f"{refs[6].digest.hex()} at offset {refs[6].offset} of {key}.*ends after"):
        ChunkStore(objects, SharedFetches(0)).read(refs)


def test_a_missing_pack_is_told_like_a_damaged_one() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    objects.delete(pack_key(refs[0].pack))
    with pytest.raises(IntegrityError, match=f"{refs[0].digest.hex()} at offset 0 of .*: the pack is not there"):
        ChunkStore(objects, SharedFetches(0)).read(refs)


def test_a_reference_with_another_size_is_refused_from_memory_too() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, NOISE)
    chunks = ChunkStore(objects, SharedFetches(1 << 20))
    chunks.read(refs)
    with pytest.raises(IntegrityError, match="bytes were expected"):
        chunks.read([refs[0]._replace(size=refs[0].size + 1)])


def test_equal_chunks_of_two_packs_are_one() -> None:
    objects = GatedStore()
    (one,), (two,) = write_chunks(objects, [NOISE[0]]), write_chunks(objects, [NOISE[0]], lease=LeaseId(b"other-lease!"))
    assert one.pack != two.pack
    assert ChunkStore(objects, SharedFetches(0)).read([one, two]) == [NOISE[0]] * 2
    assert len(objects.reads) == 1


def test_chunks_of_a_local_store_that_overlap_or_lie_nowhere_are_refused(tmp_path: Path) -> None:
    objects = LocalStore(tmp_path)
    (ref,) = write_chunks(objects, [NOISE[0]])
    for wrong in (
        ref._replace(offset=5),
        ref._replace(offset=2**32 - 1),
        ref._replace(digest=digest_of(b"")),
        ref._replace(offset=2**70),
    ):
        with pytest.raises(IntegrityError):
            ChunkStore(objects, SharedFetches(0)).read([wrong, ref])


def test_a_chunk_reference_from_nowhere_is_refused() -> None:
    ref = ChunkRef(digest_of(b"x"), 1, write_chunks(GatedStore(), [b"y"])[0].pack, 0, 1)
    with pytest.raises(IntegrityError, match="the pack is not there"):
        ChunkStore(GatedStore(), SharedFetches(0)).read([ref])
