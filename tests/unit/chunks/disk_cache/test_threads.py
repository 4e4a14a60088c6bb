"""Many threads in one cache, with little room: nothing fails, nothing is counted as damaged."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from artfs.chunks.disk_cache.cache import DiskCache
from tests.unit.chunks.disk_cache.chunks import noise_chunks, refs_of
from tests.unit.chunks.disk_cache.test_limit import MIB, disk_usage


def test_threads_that_keep_and_read_at_once(tmp_path: Path) -> None:
    caches = [DiskCache(tmp_path, 8 * MIB) for _ in range(2)]
    chunks = noise_chunks(400, 40_000)

    def work(seed: int) -> None:
        choice = random.Random(seed)
        for _ in range(60):
            start = choice.randrange(len(chunks) - 10)
            some = chunks[start : start + 10]
            cache = choice.choice(caches)
            found = cache.get(refs_of(some))
            assert all(len(plain) == 40_000 for plain in found.values())
            cache.put([(ref, stored) for ref, stored in some if ref.digest not in found])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert disk_usage(tmp_path) <= 8 * MIB
    assert sum(cache.facts()["damaged"] for cache in caches) == 0
    assert sum(cache.facts()["hits"] for cache in caches) > 0
