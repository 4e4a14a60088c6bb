"""Pins: chunks that stay whatever is evicted, within the limit, each stored once."""

from __future__ import annotations

from pathlib import Path

import pytest

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.errors import Busy, StoreFull
from tests.unit.chunks.disk_cache.chunks import digests_of, noise_chunks, refs_of, stored_chunk
from tests.unit.chunks.disk_cache.kill_worker import pin_all
from tests.unit.chunks.disk_cache.test_limit import MIB, disk_usage, fill

LIMIT = 8 * MIB


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", LIMIT)


def test_what_is_pinned_stays(cache: DiskCache) -> None:
    chunks = noise_chunks(60, 50_000, 1)
    cache.put(chunks[:30])
    pin_all(cache, "a/b/pets:v0", chunks)
    fill(cache, 20 * MIB)
    fill(DiskCache(cache.folder, LIMIT), 20 * MIB, 1)
    for each in (cache, DiskCache(cache.folder, LIMIT)):
        assert set(each.get(refs_of(chunks))) == digests_of(chunks)
    assert disk_usage(cache.folder) <= LIMIT
    (pin,) = cache.pins()
    assert (pin.label, pin.size, pin.chunk_count) == ("a/b/pets:v0", 3_000_000, 60)
    assert 3_000_000 <= cache.facts()["pinned"] < 3_100_000


def test_caches_that_are_open_go_on_reading_what_another_process_pins(cache: DiskCache) -> None:
    chunks = noise_chunks(10, 50_000, 1)
    other = DiskCache(cache.folder, LIMIT)
    other.put(chunks)
    other.get(refs_of(chunks))
    pin_all(cache, "pets:v0", chunks)
    fill(cache, 20 * MIB)
    assert len(other.get(refs_of(chunks))) == 10
    assert cache.unpin("pets:v0")
    assert len(other.get(refs_of(chunks))) == 10


def test_what_does_not_fit_is_refused_with_both_figures(cache: DiskCache) -> None:
    chunks = noise_chunks(300, 50_000, 1)
    cache.put(chunks[:20])
    with pytest.raises(
        StoreFull, match=r"big:v0 needs 1\d{7} bytes in the cache, and only 8\d{6} of its limit of 8388608 can be had"
    ):
        pin_all(cache, "big:v0", chunks)
    assert cache.pins() == []
    assert len(cache.get(refs_of(chunks[:20]))) == 20


def test_shared_chunks_are_stored_once_and_stay_until_nobody_needs_them(cache: DiskCache) -> None:
    chunks = noise_chunks(60, 50_000, 1)
    pin_all(cache, "v0", chunks[:40])
    pin_all(cache, "v1", chunks[20:])
    assert cache.facts()["pinned"] < 3_200_000
    assert cache.unpin("v0")
    assert not cache.unpin("v0")
    assert cache.facts()["pinned"] < 2_200_000
    fill(cache, 20 * MIB)
    assert set(cache.get(refs_of(chunks))) == digests_of(chunks[20:])
    assert cache.unpin("v1")
    assert cache.facts()["pinned"] == 0


def test_a_pin_that_fails_pins_nothing(cache: DiskCache) -> None:
    chunks = noise_chunks(20, 50_000, 1)
    with pytest.raises(StoreFull), cache.pinning("v0", refs_of(chunks)) as pinning:
        pinning.put(noise_chunks(200, 50_000, 2))
    assert cache.pins() == []
    assert cache.facts()["pinned"] == 0
    fill(cache, 20 * MIB)
    assert disk_usage(cache.folder) <= LIMIT
    assert cache.facts()["bytes_kept"] > 15 * MIB


def test_one_process_pins_at_a_time(cache: DiskCache) -> None:
    chunks = noise_chunks(2, 50_000, 1)
    with cache.pinning("v0", refs_of(chunks)) as pinning:
        pinning.put(chunks)
        with pytest.raises(Busy, match="try again when it is done"):
            DiskCache(cache.folder, LIMIT).unpin("v0")
    assert len(cache.pins()) == 1


def test_a_pinned_chunk_that_was_damaged_is_missed_and_pinned_again(cache: DiskCache) -> None:
    chunks = noise_chunks(20, 50_000, 1)
    pin_all(cache, "v0", chunks)
    path = next(cache.folder.glob("*.pinned1"))
    data = bytearray(path.read_bytes())
    data[10_000] ^= 1
    path.write_bytes(data)
    assert cache.verify().damaged == 1
    assert cache.missing(cache.pins()[0]) == 1
    pin_all(cache, "v0", chunks)
    assert cache.missing(cache.pins()[0]) == 0
    assert cache.verify().damaged == 0


def test_pinning_again_stores_nothing_again(cache: DiskCache) -> None:
    chunks = noise_chunks(20, 50_000, 1)
    cache.put(chunks)  # in an ordinary segment too
    pin_all(cache, "v0", chunks)
    pinned = cache.facts()["pinned"]
    for _ in range(3):
        pin_all(DiskCache(cache.folder, LIMIT), "v0", chunks)
    pin_all(cache, "v1", chunks[:10])
    assert cache.facts()["pinned"] == pinned


def test_clearing_keeps_pins_unless_they_are_meant(cache: DiskCache) -> None:
    chunks = noise_chunks(20, 50_000, 1)
    other = DiskCache(cache.folder, LIMIT)
    other.put(chunks)
    pin_all(cache, "v0", chunks[:10])
    cache.clear()
    assert set(cache.get(refs_of(chunks))) == digests_of(chunks[:10])
    other.put(chunks)
    assert len(other.get(refs_of(chunks))) == 20
    cache.clear(pinned=True)
    assert cache.get(refs_of(chunks)) == other.get(refs_of(chunks)) == {}
    assert cache.pins() == []
    other.put(chunks)
    assert len(cache.get(refs_of(chunks))) == 20


def test_small_chunks_and_none_can_be_pinned(cache: DiskCache) -> None:
    pin_all(cache, "small", [stored_chunk(b"%d" % i) for i in range(1000)])
    pin_all(cache, "none", [])
    assert [pin.chunk_count for pin in cache.pins()] == [0, 1000]


def test_a_list_that_is_damaged_is_no_pin(cache: DiskCache) -> None:
    pin_all(cache, "v0", noise_chunks(2, 50_000, 1))
    path = next(cache.folder.glob("*.pin1"))
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.pins() == []
    pin_all(cache, "v1", noise_chunks(2, 50_000, 2))
    assert cache.facts()["pinned"] < 110_000
