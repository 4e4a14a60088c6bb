"""Reading versions: what stat, readdir, open, read and mmap show."""

from __future__ import annotations

import errno
import mmap
import os
import random
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.conftest import FILES


def test_root_lists_artifacts_and_information(shared: Path) -> None:
    assert sorted(os.listdir(shared)) == [".artfs", "data"]


def test_artifact_lists_versions_aliases_staging_and_information(shared: Path) -> None:
    assert sorted(os.listdir(shared / "data")) == [".artfs", "best", "latest", "staging", "v0", "v1"]


def test_files_have_the_bytes_that_were_logged(shared: Path) -> None:
    for path, data in FILES.items():
        assert (shared / "data/v0" / path).read_bytes() == data, path


def test_aliases_show_their_versions(shared: Path) -> None:
    assert (shared / "data/best/readme.txt").read_bytes() == FILES["readme.txt"]
    assert (shared / "data/latest/readme.txt").read_bytes() == b"a small data set, second edition\n"


def test_modes_are_read_only_and_executables_stay_executable(shared: Path) -> None:
    version = shared / "data/v0"
    assert stat.S_IMODE(version.stat().st_mode) == 0o555
    assert stat.S_IMODE((version / "images").stat().st_mode) == 0o555
    assert stat.S_IMODE((version / "readme.txt").stat().st_mode) == 0o444
    assert stat.S_IMODE((version / "run.sh").stat().st_mode) == 0o555


def test_mtimes_and_sizes_are_those_of_the_source(shared: Path) -> None:
    status = (shared / "data/v0/big.bin").stat()
    assert status.st_mtime_ns == 1_600_000_000_123_456_789
    assert status.st_size == len(FILES["big.bin"])
    assert status.st_blocks == -(-status.st_size // 512)


def test_symlinks_are_symlinks(shared: Path) -> None:
    assert os.readlink(shared / "data/v0/link") == "images/cat.bin"
    assert (shared / "data/v0/link").read_bytes() == FILES["images/cat.bin"]
    assert os.readlink(shared / "data/v0/images/dangling") == "nowhere"


def test_empty_directories_are_there(shared: Path) -> None:
    assert os.listdir(shared / "data/v0/nothing-yet") == []


def test_listing_tells_the_kinds_and_the_dots(shared: Path) -> None:
    with os.scandir(shared / "data/v0") as rows:
        kinds = {row.name: (row.is_dir(follow_symlinks=False), row.is_symlink()) for row in rows}
    assert kinds["images"] == (True, False)
    assert kinds["readme.txt"] == (False, False)
    assert kinds["link"] == (False, True)


def test_unchanged_file_has_the_same_inode_in_every_version_and_no_hard_links(shared: Path) -> None:
    first, second = (shared / "data/v0/big.bin").stat(), (shared / "data/v1/big.bin").stat()
    assert first.st_ino == second.st_ino
    assert first.st_nlink == 1
    assert (shared / "data/v0/readme.txt").stat().st_ino != (shared / "data/v1/readme.txt").stat().st_ino


def test_directories_never_share_an_inode(shared: Path) -> None:
    inodes = [(shared / "data" / name / "images").stat().st_ino for name in ("v0", "best", "v1", "latest")]
    assert len(set(inodes)) == 4


@pytest.mark.parametrize("selector", ["v0", "latest"])
def test_missing_names_are_not_found(shared: Path, selector: str) -> None:
    for path in ("nothing", "images/nothing", "nothing/at/all", "readme.txt\udcff"):
        with pytest.raises(FileNotFoundError):
            os.stat(shared / "data" / selector / path)
    with pytest.raises(NotADirectoryError):
        os.stat(shared / "data" / selector / "readme.txt/below")


def test_names_that_cannot_be_are_not_found(shared: Path) -> None:
    for path in ("data/v99", "data/v01", "data/no:alias", "data/nobody", "x y", "no-artifact"):
        with pytest.raises(FileNotFoundError):
            os.stat(shared / path)


def test_reads_anywhere_give_the_right_bytes(shared: Path) -> None:
    data, chance = FILES["big.bin"], random.Random(7)
    fd = os.open(shared / "data/latest/big.bin", os.O_RDONLY)
    try:
        for _ in range(100):
            offset, length = chance.randrange(len(data) + 10), chance.choice([0, 1, 511, 4096, 100_000, 1 << 20])
            assert os.pread(fd, length, offset) == data[offset : offset + length]
        assert os.lseek(fd, 0, os.SEEK_END) == len(data)
        assert os.read(fd, 10) == b""
    finally:
        os.close(fd)


def test_direct_reads_past_the_page_cache_work(shared: Path) -> None:
    fd = os.open(shared / "data/v1/big.bin", os.O_RDONLY | os.O_DIRECT)
    with mmap.mmap(-1, 1 << 16) as buffer:
        try:
            assert os.preadv(fd, [buffer], 4096) == 1 << 16
            assert buffer[:] == FILES["big.bin"][4096 : 4096 + (1 << 16)]
        finally:
            os.close(fd)


def test_files_can_be_mapped(shared: Path) -> None:
    with open(shared / "data/v0/big.bin", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[:] == FILES["big.bin"]


def test_an_executable_runs_from_a_version(shared: Path) -> None:
    assert subprocess.run([shared / "data/v0/run.sh"], capture_output=True, check=True).stdout == b"run\n"


def test_every_way_of_writing_below_a_version_is_refused_as_read_only(shared: Path) -> None:
    version = shared / "data/v0"
    attempts: list[Callable[[], object]] = [
        lambda: open(version / "readme.txt", "r+b"),
        lambda: open(version / "readme.txt", "wb"),
        lambda: open(version / "new", "wb"),
        lambda: os.truncate(version / "readme.txt", 0),
        lambda: os.mkdir(version / "new"),
        lambda: os.rmdir(version / "images"),
        lambda: os.unlink(version / "readme.txt"),
        lambda: os.rename(version / "readme.txt", version / "other"),
        lambda: os.symlink("x", version / "new"),
        lambda: os.link(version / "readme.txt", version / "new"),
        lambda: os.chmod(version / "readme.txt", 0o777),
        lambda: os.utime(version / "readme.txt"),
        lambda: os.rmdir(version),
        lambda: os.rename(version, shared / "data/v7"),
        lambda: os.mkdir(shared / "data/other"),
        lambda: open(shared / "data/file", "wb"),
        lambda: open(shared / "file", "wb"),
        lambda: open(shared / "data/.artfs/log", "ab"),
        lambda: os.unlink(shared / ".artfs/status.json"),
    ]
    for number, attempt in enumerate(attempts):
        with pytest.raises(OSError) as caught:
            attempt()
        # The permission bits stop an ordinary user before the read-only tree does; root they do not stop.
        refused = {errno.EROFS} if os.geteuid() == 0 else {errno.EROFS, errno.EACCES, errno.EPERM}
        assert caught.value.errno in refused, (number, caught.value)


def test_extended_attributes_are_not_there(shared: Path) -> None:
    with pytest.raises(OSError) as caught:
        os.getxattr(shared / "data/v0/readme.txt", "user.x")
    assert caught.value.errno in {errno.ENOTSUP, errno.ENOSYS}


def test_statfs_tells_of_the_room_for_staging(shared: Path) -> None:
    found = os.statvfs(shared)
    assert found.f_blocks > 0
    assert found.f_namemax == 255
