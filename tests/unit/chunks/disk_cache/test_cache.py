"""Chunks on disk: what was kept is read again, by whoever asks, as long as it is what its digest says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.disk_cache.disk import Disk
from artfs.errors import ConfigNotValid
from tests.unit.chunks.disk_cache.chunks import digests_of, noise_chunks, refs_of, stored_chunk

MIB = 1 << 20


def test_what_was_kept_is_read_again_also_by_another_process(tmp_path: Path) -> None:
    chunks = [*noise_chunks(20, 20_000), *(stored_chunk(b"line %d\n" % i * 3000) for i in range(20)), stored_chunk(b"x")]
    first = DiskCache(tmp_path / "cache", 64 * MIB)
    assert first.get(refs_of(chunks)) == {}
    assert not (tmp_path / "cache").exists()
    first.put(chunks)
    for cache in (first, DiskCache(tmp_path / "cache", 64 * MIB)):
        found = cache.get(refs_of(chunks))
        assert set(found) == digests_of(chunks)
        assert all(len(found[ref.digest]) == ref.size for ref, _ in chunks)
    assert first.facts()["hits"] == len(chunks)


def test_caches_that_are_open_see_what_another_one_keeps(tmp_path: Path) -> None:
    first, second = (DiskCache(tmp_path, 64 * MIB) for _ in range(2))
    for seed in range(10):
        chunks = noise_chunks(5, 5_000, seed)
        writer, reader = (first, second) if seed % 2 else (second, first)
        writer.put(chunks)
        assert set(reader.get(refs_of(chunks))) == digests_of(chunks)


def test_a_chunk_is_kept_once(tmp_path: Path) -> None:
    first, second = (DiskCache(tmp_path, 64 * MIB) for _ in range(2))
    chunks = noise_chunks(4, 50_000)
    first.put(chunks + chunks)
    second.put(chunks)
    assert first.facts()["bytes_kept"] == 200_000
    assert second.facts()["bytes_kept"] == 0


def test_a_limit_that_is_no_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigNotValid, match="set cache_limit to 4MiB or more, or to 0 for none"):
        DiskCache(tmp_path, MIB)


class _WatchedDisk(Disk):
    def __init__(self) -> None:
        self.let_go_of: list[tuple[int, int]] = []

    def let_go(self, descriptor: int, offset: int, length: int) -> None:
        self.let_go_of.append((offset, length))
        super().let_go(descriptor, offset, length)


def test_the_kernel_is_told_to_let_go_of_all_that_is_written_and_told_again_later(tmp_path: Path) -> None:
    disk = _WatchedDisk()
    cache = DiskCache(tmp_path, 2048 * MIB, disk=disk)
    for seed in range(48):
        cache.put(noise_chunks(1, MIB, seed))
    written = [range(offset, offset + length) for offset, length in disk.let_go_of]
    assert len(written) < 24
    assert not written[0].start
    assert all(later.start <= earlier.stop < later.stop for earlier, later in pairwise(written))
    assert written[-1].stop - written[-1].start < 40 * MIB
