"""Chunks whose packs were rewritten, chunks of a store that is far away, and the cache on disk between."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence

import pytest
from typing_extensions import Buffer

from artfs.chunks.codec import decode_chunk
from artfs.chunks.near import NotNear, Reach
from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.content.workers import Workers
from artfs.errors import IntegrityError, PackMissing
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, LeaseId, pack_key
from tests.unit.chunks.packs import GatedStore, write_chunks

NOISE = [random.Random(i).randbytes(20_000 + 1000 * i) for i in range(12)]
OTHER = LeaseId(b"other-lease!")


class FarStore(GatedStore):
    """A store that says of itself that it is far away, and knows how many reads were under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = self.most_under_way = 0
        self._counting = threading.Lock()

    @property
    def is_remote(self) -> bool:
        return True

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        with self._counting:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return super().read_range(key, offset, length)
        finally:
            with self._counting:
                self.under_way -= 1


class DictCache:
    """A cache on a disk that is a dict."""

    def __init__(self) -> None:
        self.stored: dict[Digest, tuple[ChunkRef, bytes]] = {}

    def get(self, refs: Sequence[ChunkRef]) -> dict[Digest, bytes]:
        return {ref.digest: decode_chunk(self.stored[ref.digest][1], ref) for ref in refs if ref.digest in self.stored}

    def put(self, chunks: Sequence[tuple[ChunkRef, Buffer]]) -> None:
        self.stored.update((ref.digest, (ref, bytes(stored))) for ref, stored in chunks)


@pytest.fixture
def threads() -> Iterator[Workers]:
    workers = Workers(4, "test-fetch")
    yield workers
    workers.close(wait=True)


class Moved:
    """Knows where chunks lie now, and how often it was asked."""

    def __init__(self, refs: Sequence[ChunkRef] = ()) -> None:
        self.refs = {ref.digest: ref for ref in refs}
        self.asked = 0

    def __call__(self, refs: Sequence[ChunkRef]) -> Mapping[Digest, ChunkRef]:
        self.asked += 1
        return {ref.digest: self.refs[ref.digest] for ref in refs if ref.digest in self.refs}


def test_chunks_of_a_pack_that_was_rewritten_are_read_where_they_lie_now() -> None:
    objects = GatedStore()
    old = write_chunks(objects, NOISE, target_size=50_000)
    new = write_chunks(objects, NOISE, lease=OTHER)
    objects.delete(pack_key(old[3].pack))
    moved = Moved(new)
    assert ChunkStore(objects, SharedFetches(0), relocate=moved).read(old) == NOISE
    assert moved.asked == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_pack_that_is_nowhere_is_asked_for_once(known: bool) -> None:
    objects = GatedStore()
    old = write_chunks(objects, NOISE)
    objects.delete(pack_key(old[0].pack))
    moved = Moved(old if known else ())
    with pytest.raises(PackMissing, match="the pack is not there"):
        ChunkStore(objects, SharedFetches(0), relocate=moved).read(old)
    assert moved.asked == 1


def test_what_was_moved_to_something_else_is_refused() -> None:
    objects = GatedStore()
    (old,) = write_chunks(objects, NOISE[:1])
    (other,) = write_chunks(objects, NOISE[1:2], lease=OTHER)
    objects.delete(pack_key(old.pack))
    moved = Moved()
    moved.refs[old.digest] = other._replace(digest=old.digest)
    with pytest.raises(IntegrityError, match="is damaged"):
        ChunkStore(objects, SharedFetches(0), relocate=moved).read([old])


def test_verifying_reads_where_chunks_are_said_to_be_and_past_every_cache() -> None:
    objects, cache = GatedStore(), DictCache()
    old = write_chunks(objects, NOISE)
    chunks = ChunkStore(objects, SharedFetches(1 << 20), cache, Moved(write_chunks(objects, NOISE, lease=OTHER)))
    chunks.read(old)
    objects.delete(pack_key(old[0].pack))
    assert chunks.read(old) == chunks.read_once(old) == NOISE
    with pytest.raises(PackMissing):
        chunks.read_uncached(old)


def test_what_is_on_the_disk_is_not_asked_for_again_and_what_came_is_kept_there() -> None:
    objects, cache = FarStore(), DictCache()
    refs = write_chunks(objects, NOISE)
    assert ChunkStore(objects, SharedFetches(0), cache).read(refs[:6]) == NOISE[:6]
    objects.reads.clear()
    assert ChunkStore(objects, SharedFetches(0), cache).read_once(refs) == NOISE
    assert [(offset, length) for _, offset, length in objects.reads] == [(refs[6].offset, sum(r.stored_size for r in refs[6:]))]
    assert ChunkStore(GatedStore(), SharedFetches(0), cache).read(refs) == NOISE


def test_requests_of_one_call_to_a_far_store_are_made_at_once(threads: Workers) -> None:
    objects = FarStore()
    refs = write_chunks(objects, NOISE, target_size=200_000)  # the first are a quarter of that
    packs = len({ref.pack for ref in refs})
    objects.gate.clear()
    objects.asked = threading.Semaphore(0)
    chunks = ChunkStore(objects, SharedFetches(0), threads=threads)
    reading = Workers(1, "test-reader")
    reader = reading.submit(lambda: chunks.read(refs))
    for _ in range(packs):
        assert objects.asked.acquire(timeout=30)
    objects.gate.set()
    assert reader.result(30) == NOISE
    assert objects.most_under_way == packs == 5
    reading.close(wait=True)


def test_many_calls_from_within_the_same_threads_do_not_wait_for_each_other_for_ever(threads: Workers) -> None:
    objects = FarStore()
    refs = write_chunks(objects, NOISE, target_size=50_000)
    for seed in range(10):
        chunks = ChunkStore(objects, SharedFetches(30_000), threads=threads)
        orders = [random.Random(seed * 10 + each).sample(range(len(refs)), 8) for each in range(12)]
        reads = [
            threads.submit(lambda order=order, chunks=chunks: chunks.read([refs[i] for i in order]))  # type: ignore[misc]
            for order in orders
        ]
        assert [read.result(30) for read in reads] == [[NOISE[i] for i in order] for order in orders]


def test_an_error_of_one_request_is_the_error_of_the_call(threads: Workers) -> None:
    objects = FarStore()
    refs = write_chunks(objects, NOISE, target_size=50_000)
    key = pack_key(refs[-1].pack)
    objects.put(key, [bytes(len(objects.get(key)))])
    with pytest.raises(IntegrityError, match=f"of {key} is damaged"):
        ChunkStore(objects, SharedFetches(0), threads=threads).read(refs)


def test_little_is_fetched_for_nothing_from_a_far_store() -> None:
    objects = FarStore()
    sizes = [100_000, 9_000, 100_000, 40_000, 100_000]
    chunks = [random.Random(i).randbytes(size) for i, size in enumerate(sizes)]
    refs = write_chunks(objects, chunks)
    assert ChunkStore(objects, SharedFetches(0)).read(refs[::2]) == chunks[::2]
    assert [(offset, length) for _, offset, length in objects.reads] == [(0, 209_000), (refs[4].offset, 100_000)]


def test_within_a_near_reach_the_memory_and_the_cache_are_read_and_the_store_is_not_asked() -> None:
    objects, cache = FarStore(), DictCache()
    refs = write_chunks(objects, NOISE)
    ChunkStore(objects, SharedFetches(0), cache).read(refs[:4])
    chunks = ChunkStore(objects, SharedFetches(1 << 20), cache)
    chunks.read(refs[8:])
    objects.reads.clear()
    reach = Reach(only_near=True)
    with reach.entered():
        assert chunks.read([*refs[:4], *refs[8:]]) == [*NOISE[:4], *NOISE[8:]]
        with pytest.raises(NotNear):
            chunks.read(refs[3:5])
        with pytest.raises(NotNear):
            chunks.read_once(refs[4:5])
    assert not objects.reads
    assert not reach.is_far
    assert chunks.peek(refs[0].digest) == NOISE[0]


def test_within_a_near_reach_nobody_waits_for_what_another_thread_fetches() -> None:
    objects, cache = FarStore(), DictCache()
    refs = write_chunks(objects, NOISE)
    chunks = ChunkStore(objects, SharedFetches(1 << 20), cache)
    objects.gate.clear()
    other = threading.Thread(target=chunks.read, args=(refs[:1],))
    other.start()
    try:
        assert objects.asked.acquire(timeout=30)
        with pytest.raises(NotNear), Reach(only_near=True).entered():
            chunks.read(refs[:1])
    finally:
        objects.gate.set()
        other.join()


def test_a_reach_tells_whether_the_store_was_asked() -> None:
    objects = FarStore()
    refs = write_chunks(objects, NOISE)
    chunks = ChunkStore(objects, SharedFetches(1 << 20))
    far, near = Reach(), Reach()
    with far.entered():
        chunks.read(refs)
    with near.entered():
        chunks.read(refs)
    assert (far.is_far, near.is_far) == (True, False)
