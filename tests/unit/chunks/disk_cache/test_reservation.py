"""Bytes set apart for files elsewhere: they count, chunks give way to them, and they end with who holds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from artfs.chunks.disk_cache.cache import DiskCache
from tests.unit.chunks.disk_cache.test_limit import MIB, disk_usage, fill


def test_chunks_give_way_to_what_is_reserved(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 16 * MIB)
    fill(cache, 20 * MIB)
    held = cache.reserve(10 * MIB)
    assert held is not None
    fill(cache, 20 * MIB, 1)
    assert disk_usage(tmp_path) <= 6 * MIB
    assert cache.reserve(10 * MIB) is None
    assert DiskCache(tmp_path, 16 * MIB).reserve(10 * MIB) is None
    del held
    facts = cache.facts()
    assert facts["used"] + facts["reserved"] < 7 * MIB
    assert cache.reserve(10 * MIB) is not None


def test_a_reservation_ends_with_its_process(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 16 * MIB)
    child = os.fork()
    if child == 0:
        held = cache.reserve(12 * MIB)
        os._exit(held is None)  # nothing is cleaned up, as after kill -9
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(tmp_path.glob("*.reserved1"))) == 1
    assert cache.facts()["reserved"] > 12 * MIB
    assert cache.reserve(12 * MIB) is not None


def test_a_copy_in_a_forked_process_ends_nothing(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 16 * MIB)
    held = cache.reserve(12 * MIB)
    child = os.fork()
    if child == 0:
        held = None
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert held is not None
    assert cache.reserve(12 * MIB) is None


@pytest.mark.expected_logs("nothing is kept in the cache")
def test_an_unusable_folder_counts_nothing_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert DiskCache(tmp_path / "file", 16 * MIB).reserve(1 << 60) is not None


def test_more_than_the_limit_is_never_to_be_had(tmp_path: Path) -> None:
    assert DiskCache(tmp_path, 16 * MIB).reserve(1 << 60) is None
