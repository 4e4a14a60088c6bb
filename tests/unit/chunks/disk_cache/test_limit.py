"""The limit is a promise (I7): what the disk says is below it at every moment, however many processes write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.disk_cache.room import MIN_LIMIT
from tests.unit.chunks.disk_cache.chunks import noise_chunks, refs_of, stored_chunk

MIB = 1 << 20
ROOT = Path(__file__).parents[4]


def disk_usage(folder: Path) -> int:
    """Bytes of blocks of all in the folder, and of the folder itself."""
    total = folder.stat().st_blocks * 512
    for path in folder.iterdir():
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total


def fill(cache: DiskCache, size: int, seed: int = 0) -> None:
    for number in range(size // (10 * 50_000)):
        cache.put(noise_chunks(10, 50_000, seed * 10_000 + number))


@pytest.mark.parametrize("limit", [MIN_LIMIT, 24 * MIB])
def test_several_processes_that_write_at_once_stay_below_the_limit(limit: int, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    command = [sys.executable, "-m", "tests.unit.chunks.disk_cache.write_worker", str(folder), str(limit)]
    writers = [subprocess.Popen([*command, str(seed)], cwd=ROOT) for seed in range(4)]
    most = 0
    try:
        while any(writer.poll() is None for writer in writers):
            if folder.exists():
                most = max(most, disk_usage(folder))
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert [writer.returncode for writer in writers] == [0] * 4
    assert limit // 2 < most <= limit


def test_what_was_used_least_recently_goes_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 32 * MIB)
    old, used = noise_chunks(20, 50_000, 1), noise_chunks(20, 50_000, 2)
    cache.put(old)
    first = next(tmp_path.glob("*.chunks1"))
    cache.put(used)
    for number, path in enumerate(sorted(tmp_path.glob("*.chunks1"))):
        os.utime(path, (number, number))
    assert DiskCache(tmp_path, 32 * MIB).get(refs_of(used[-1:]))  # another process reads, and so marks it
    fill(cache, 30 * MIB)
    assert not first.exists()
    assert DiskCache(tmp_path, 32 * MIB).get(refs_of(used[-1:]))
    assert not DiskCache(tmp_path, 32 * MIB).get(refs_of(old[:1]))


def test_evicting_frees_the_blocks_though_a_reader_has_the_file_open(tmp_path: Path) -> None:
    cache, reader = (DiskCache(tmp_path, 8 * MIB) for _ in range(2))
    chunks = noise_chunks(10, 50_000, 99)
    cache.put(chunks)
    reader.get(refs_of(chunks))
    descriptor = os.open(next(tmp_path.glob("*.chunks1")), os.O_RDONLY)
    fill(cache, 16 * MIB)
    assert os.fstat(descriptor).st_blocks == 0
    os.close(descriptor)
    assert reader.get(refs_of(chunks)) == {}
    assert reader.facts()["damaged"] == 0
    reader.put(chunks)
    assert len(reader.get(refs_of(chunks))) == len(chunks)


def test_a_limit_that_was_lowered_holds_from_the_next_reservation_on(tmp_path: Path) -> None:
    fill(DiskCache(tmp_path, 64 * MIB), 40 * MIB)
    assert disk_usage(tmp_path) > 30 * MIB
    DiskCache(tmp_path, 8 * MIB).put(noise_chunks(30, 50_000, 77))
    assert disk_usage(tmp_path) <= 8 * MIB


def test_foreign_files_count_and_stay(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_bytes(bytes(5 * MIB))
    cache = DiskCache(tmp_path, 8 * MIB)
    fill(cache, 10 * MIB)
    assert foreign.exists()
    assert disk_usage(tmp_path) <= 8 * MIB
    assert cache.facts()["bytes_kept"] > MIB


def test_a_chunk_larger_than_a_usual_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 32 * MIB)
    large = noise_chunks(1, 10 * MIB)
    cache.put(large)
    assert cache.get(refs_of(large))
    too_large = [stored_chunk(bytes(range(256)) * 4096)]
    cache.put(too_large)
    assert cache.get(refs_of(too_large))


def test_many_short_processes_share_segments(tmp_path: Path) -> None:
    for seed in range(10):
        DiskCache(tmp_path, 64 * MIB).put(noise_chunks(1, 1_000, seed))
    assert len(list(tmp_path.glob("*.chunks1"))) == 1


def test_more_chunks_than_the_first_table_has_slots(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 128 * MIB)
    chunks = noise_chunks(25_000, 40)
    for start in range(0, len(chunks), 1000):
        cache.put(chunks[start : start + 1000])
    assert (tmp_path / "index1-1").exists()
    assert len(DiskCache(tmp_path, 128 * MIB).get(refs_of(chunks))) == len(chunks)
