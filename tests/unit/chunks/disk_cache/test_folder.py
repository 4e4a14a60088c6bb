"""Folders that cannot hold a cache, and disks that are full: one warning, and reading goes on."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.errors import ConfigNotValid
from tests.unit.chunks.disk_cache.chunks import noise_chunks, refs_of

pytestmark = pytest.mark.expected_logs("the cache")
MIB = 1 << 20
CHUNKS = noise_chunks(10, 50_000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def assert_not_kept(cache: DiskCache, caplog: pytest.LogCaptureFixture, *words: str) -> None:
    for _ in range(3):
        cache.put(CHUNKS)
        assert cache.get(refs_of(CHUNKS)) == {}
    assert_one_warning(caplog, *words)


def assert_one_warning(caplog: pytest.LogCaptureFixture, *words: str) -> None:
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert all(word in warnings[0] for word in words)


def test_the_folder_is_private_and_tagged(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    DiskCache(folder, 8 * MIB).put(CHUNKS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir() if path.name != "CACHEDIR.TAG")
    assert (folder / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_file_in_place_of_the_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "cache"
    folder.write_bytes(b"mine")
    assert_not_kept(DiskCache(folder, 8 * MIB), caplog, str(folder), "move it away")
    assert folder.read_bytes() == b"mine"


def test_a_folder_of_somebody_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(tmp_path, 12345, -1)
    assert_not_kept(DiskCache(tmp_path, 8 * MIB), caplog, str(tmp_path), "belongs to user 12345", "XDG_CACHE_HOME")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_that_cannot_be_written_to(is_there: bool, small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = small_disk / "cache"
    if is_there:
        folder.mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert_not_kept(DiskCache(folder, 8 * MIB), caplog, str(folder), "XDG_CACHE_HOME")


def test_a_full_disk_makes_one_warning_and_what_is_kept_stays_readable(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = DiskCache(small_disk, 8 * MIB)
    cache.put(CHUNKS[:5])
    (small_disk / "other").write_bytes(bytes(min(400_000, os.statvfs(small_disk).f_bavail * 4096 - 8192)))
    for number in range(5):
        cache.put(noise_chunks(10, 50_000, 1 + number))
    assert len(cache.get(refs_of(CHUNKS[:5]))) == 5
    assert_one_warning(caplog, str(small_disk), "its disk is full")
    (small_disk / "other").unlink()
    later = DiskCache(small_disk, 8 * MIB)
    later.put(CHUNKS[5:8])
    assert len(later.get(refs_of(CHUNKS[:8]))) == 8


def test_what_a_full_disk_does_not_take_is_counted(small_disk: Path) -> None:
    cache = DiskCache(small_disk, 8 * MIB)
    for number in range(6):
        cache.put(noise_chunks(10, 50_000, number))
    facts = cache.facts()
    assert facts["bytes_kept"] + 50_000 * facts["not_kept"] == 6 * 500_000
    assert 0 < facts["used"] <= MIB < facts["used"] + facts["reserved"] <= 8 * MIB


def test_on_a_full_disk_the_oldest_gives_way_though_the_limit_is_not_reached(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    subprocess.run(["mount", "-o", "remount,size=3m", str(small_disk)], check=True)
    cache = DiskCache(small_disk, 32 * MIB)
    for number in range(12):
        chunks = noise_chunks(10, 50_000, number)
        cache.put(chunks)
        assert len(cache.get(refs_of(chunks))) == 10
    assert cache.get(refs_of(noise_chunks(10, 50_000, 0))) == {}
    assert cache.facts()["not_kept"] == 0
    assert not caplog.records


def test_who_asks_for_a_cache_that_cannot_be_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "cache"
    folder.write_bytes(b"mine")
    for ask in (DiskCache(folder, 8 * MIB).ensure_usable, DiskCache(folder, 8 * MIB).clear, DiskCache(folder, 8 * MIB).verify):
        with pytest.raises(ConfigNotValid, match="move it away"):
            ask()
    assert not caplog.records


def test_a_forked_process_does_not_write_where_its_parent_does(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 16 * MIB)
    cache.put(CHUNKS[:5])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            cache.put(noise_chunks(20, 50_000, 5))
            code = 0 if len(cache.get(refs_of(CHUNKS[:5]))) == 5 else 2
        finally:
            os._exit(code)
    cache.put(CHUNKS[5:])
    assert os.waitpid(child, 0)[1] == 0
    for chunks in (CHUNKS, noise_chunks(20, 50_000, 5)):
        assert len(cache.get(refs_of(chunks))) == len(chunks)
    assert cache.facts()["damaged"] == 0
