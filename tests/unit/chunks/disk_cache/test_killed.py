"""A process that is killed at any write to a cache: what is read is right, the limit holds, pins hold, and others go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from artfs.chunks.disk_cache.cache import DiskCache
from tests.unit.chunks.disk_cache.chunks import digests_of, noise_chunks, refs_of
from tests.unit.chunks.disk_cache.kill_worker import ADDED, BEFORE, LIMIT, pin_all
from tests.unit.chunks.disk_cache.test_limit import ROOT, disk_usage


@pytest.mark.parametrize("what", ["put", "pin", "unpin"])
def test_killed_at_any_write(what: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.chunks.disk_cache.kill_worker", str(tmp_path), what]
    worker = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert worker.returncode == 0, worker.stderr
    assert int(worker.stdout) > 10
    for folder in sorted(tmp_path.iterdir()):
        assert disk_usage(folder) <= LIMIT
        cache = DiskCache(folder, LIMIT)
        pins = {pin.label: pin for pin in cache.pins()}
        assert all(cache.missing(pin) == 0 for pin in pins.values())
        assert what == "unpin" or "first" in pins
        assert pins.keys() <= {"first", "second", "other"}
        cache.get(refs_of(BEFORE + ADDED))
        for start in range(0, 40, 10):
            cache.put(ADDED[start : start + 10])
        pin_all(cache, "third", noise_chunks(5, 50_000, 3))
        for seed in range(12):
            cache.put(noise_chunks(10, 50_000, 100 + seed))
        assert disk_usage(folder) <= LIMIT
        if "first" in pins:
            assert set(cache.get(refs_of(BEFORE[:10]))) == digests_of(BEFORE[:10])
        if "second" in pins:
            assert len(cache.get(refs_of(BEFORE[:5] + ADDED[:20]))) == 25
        for label in [*pins, "third"]:
            assert cache.unpin(label)
        assert cache.facts()["pinned"] == 0
        assert cache.facts()["damaged"] == 0
        assert cache.verify().damaged == 0
