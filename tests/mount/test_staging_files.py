"""POSIX in a staging directory, one family of system calls after the other; and over a version, where one edit costs one file."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import subprocess
from pathlib import Path

import pytest

from artfs.repository.open import open_repository
from artfs.vfs.staging.store import StagingStore
from tests.mount.conftest import FILES
from tests.mount.mounting import Mounted, tree_of


@pytest.fixture
def empty(writable: Mounted) -> Path:
    """An empty staging directory."""
    staging = writable.new_artifact() / "staging/work"
    staging.mkdir()
    return staging


@pytest.fixture
def over(writable: Mounted, source: Path) -> Path:
    """A staging directory over a version."""
    artifact = writable.new_artifact(source)
    with open_repository(writable.place.config) as repository:
        store = StagingStore(writable.place.config.staging_dir, repository)
        store.create(writable.place.artifact(artifact.name), "work", writable.place.resolve(artifact.name, "v0"))
        store.close()
    return artifact / "staging/work"


@pytest.fixture(params=["empty", "over"])
def staging(request: pytest.FixtureRequest) -> Path:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Path)
    return found


def expect(number: int, call: object, *arguments: object, **named: object) -> None:
    with pytest.raises(OSError) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    assert caught.value.errno == number, caught.value


def test_create_write_anywhere_and_read_back(staging: Path) -> None:
    with open(staging / "new", "w+b") as file:
        file.write(b"hello")
        file.seek(100_000)
        file.write(b"world")
        file.flush()
        assert os.fstat(file.fileno()).st_size == 100_005
        file.seek(0)
        assert file.read() == b"hello" + bytes(99_995) + b"world"
    assert (staging / "new").stat().st_size == 100_005
    assert (staging / "new").read_bytes()[-5:] == b"world"


def test_append_and_exclusive_creation(staging: Path) -> None:
    with open(staging / "log", "xb") as file:
        file.write(b"1")
    for number in range(3):
        with open(staging / "log", "ab") as file:
            file.write(b"%d" % number)
    assert (staging / "log").read_bytes() == b"1012"
    expect(errno.EEXIST, open, staging / "log", "xb")


def test_truncate_by_path_by_descriptor_and_on_opening(staging: Path) -> None:
    path = staging / "file"
    path.write_bytes(b"0123456789")
    os.truncate(path, 4)
    assert path.read_bytes() == b"0123"
    with open(path, "r+b") as file:
        file.truncate(8)
        assert os.fstat(file.fileno()).st_size == 8
    assert path.read_bytes() == b"0123" + bytes(4)
    with open(path, "wb"):
        assert path.stat().st_size == 0


def test_rename_over_unlink_of_open_files_and_links(staging: Path) -> None:
    (staging / "a").write_bytes(b"a")
    (staging / "b").write_bytes(b"b")
    with open(staging / "b", "r+b", buffering=0) as old:
        os.rename(staging / "a", staging / "b")
        assert (staging / "b").read_bytes() == b"a"
        assert old.read() == b"b"
        old.write(b"till the end")
        assert os.fstat(old.fileno()).st_size == 13
        old.truncate(3)
        assert os.fstat(old.fileno()).st_size == 3
    os.link(staging / "b", staging / "c")
    assert (staging / "b").stat().st_nlink == 2
    assert (staging / "b").stat().st_ino == (staging / "c").stat().st_ino
    with open(staging / "c", "ab") as file:
        file.write(b"+")
    assert (staging / "b").read_bytes() == b"a+"
    with open(staging / "b", "rb") as file:
        os.unlink(staging / "b")
        os.unlink(staging / "c")
        assert file.read() == b"a+"
        assert os.fstat(file.fileno()).st_size == 2


def test_directories_are_made_moved_and_removed(staging: Path) -> None:
    (staging / "one/two").mkdir(parents=True)
    (staging / "one/two/file").write_bytes(b"x")
    expect(errno.ENOTEMPTY, os.rmdir, staging / "one")
    os.rename(staging / "one", staging / "other")
    assert (staging / "other/two/file").read_bytes() == b"x"
    expect(errno.ENOENT, os.stat, staging / "one/two/file")
    with open(staging / "other/two/file", "ab") as file:
        os.rename(staging / "other/two", staging / "up")
        file.write(b"y")
    assert (staging / "up/file").read_bytes() == b"xy"
    os.unlink(staging / "up/file")
    os.rmdir(staging / "up")
    os.rmdir(staging / "other")


def test_symlinks_modes_and_times(staging: Path) -> None:
    os.symlink("../where/ever", staging / "link")
    assert os.readlink(staging / "link") == "../where/ever"
    (staging / "file").write_bytes(b"x")
    os.chmod(staging / "file", 0o750)
    assert (staging / "file").stat().st_mode & 0o7777 == 0o750
    os.utime(staging / "file", ns=(1_500_000_000_000_000_001, 1_400_000_000_000_000_002))
    status = (staging / "file").stat()
    assert (status.st_atime_ns, status.st_mtime_ns) == (1_500_000_000_000_000_001, 1_400_000_000_000_000_002)


def test_umask_of_the_caller_counts(staging: Path) -> None:
    subprocess.run(["sh", "-c", "umask 077; touch private; mkdir closed; umask 002; touch shared"], cwd=staging, check=True)
    modes = {name: (staging / name).stat().st_mode & 0o777 for name in ("private", "closed", "shared")}
    assert modes == {"private": 0o600, "closed": 0o700, "shared": 0o664}


def test_shared_mapping_writes_through(staging: Path) -> None:
    path = staging / "mapped"
    path.write_bytes(bytes(20_000))
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[5000:5005] = b"hello"
        mapped.flush()
        assert path.read_bytes()[5000:5005] == b"hello"
    assert path.read_bytes() == bytes(5000) + b"hello" + bytes(14_995)


def test_fsync_and_fsync_of_directories(staging: Path) -> None:
    with open(staging / "file", "wb") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
        os.fdatasync(file.fileno())
    fd = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def test_special_files_are_refused(staging: Path) -> None:
    expect(errno.EPERM, os.mkfifo, staging / "pipe")


def test_size_and_time_are_right_while_writing(staging: Path) -> None:
    with open(staging / "grows", "wb", buffering=0) as file:
        for number in range(1, 6):
            file.write(b"x" * 1000)
            assert (staging / "grows").stat().st_size == number * 1000


def test_open_readers_see_what_writers_write(staging: Path) -> None:
    (staging / "file").write_bytes(b"old")
    with open(staging / "file", "rb", buffering=0) as reader, open(staging / "file", "r+b", buffering=0) as writer:
        assert reader.read() == b"old"
        writer.write(b"new")
        reader.seek(0)
        assert reader.read() == b"new"


def test_names_that_no_version_can_have_are_refused(staging: Path) -> None:
    expect(errno.EINVAL, open, staging / "new\nline", "wb")
    expect(errno.ENAMETOOLONG, open, staging / ("x" * 256), "wb")


def exchange(one: Path, other: Path) -> None:
    """renameat2(2) with RENAME_EXCHANGE, which `mv --exchange` of newer coreutils does."""
    here, exchanging = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), exchanging):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(one))


def test_rename_exchange_swaps(staging: Path) -> None:
    (staging / "a").write_bytes(b"a")
    (staging / "d").mkdir()
    (staging / "d/inner").write_bytes(b"i")
    exchange(staging / "a", staging / "d")
    assert (staging / "d").read_bytes() == b"a"
    assert (staging / "a/inner").read_bytes() == b"i"


def test_staging_over_a_version_shows_it_writable(over: Path, source: Path) -> None:
    shown, expected = tree_of(over), tree_of(source)
    assert shown.keys() == expected.keys()
    assert {path: row[2:] for path, row in shown.items()} == {path: row[2:] for path, row in expected.items()}
    assert (over / "readme.txt").stat().st_mode & 0o777 == 0o644
    assert (over / "run.sh").stat().st_mode & 0o777 == 0o755


def test_editing_one_file_of_a_version_costs_one_file(over: Path, writable: Mounted) -> None:
    artifact = over.parent.parent
    with open(over / "readme.txt", "ab") as file:
        file.write(b"edited\n")
    os.unlink(over / "images/cat.bin")
    os.rename(over / "deep", over / "moved")
    upper = writable.place.config.staging_dir / f"tester/default/{artifact.name}/work/upper"
    stored = sum(path.stat().st_size for path in upper.rglob("*") if path.is_file() and not path.is_symlink())
    assert stored == len(FILES["readme.txt"]) + len("edited\n")
    os.rename(over, artifact / "edited")
    assert (artifact / "edited/readme.txt").read_bytes() == FILES["readme.txt"] + b"edited\n"
    assert (artifact / "edited/moved/er/and/deeper/still.txt").read_bytes() == b"here\n"
    assert not (artifact / "edited/images/cat.bin").exists()
    assert (artifact / "edited/big.bin").stat().st_ino == (artifact / "v0/big.bin").stat().st_ino


def test_a_base_file_that_is_open_for_reading_goes_on_after_unlink_and_rewrite(over: Path) -> None:
    with open(over / "big.bin", "rb", buffering=0) as file:
        os.unlink(over / "big.bin")
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert os.pread(file.fileno(), 1000, 2_000_000) == FILES["big.bin"][2_000_000:2_001_000]
    with open(over / "labels.csv", "rb", buffering=0) as reader:
        with open(over / "labels.csv", "r+b") as writer:
            writer.write(b"NAME")
        assert reader.read(10) == b"NAME,label"


@pytest.mark.parametrize(
    "command",
    ["cp -a {source}/. {staging}/", "rsync -a --delete {source}/ {staging}/", "tar -cf - -C {source} . | tar -xf - -C {staging}"],
)
def test_tools_fill_a_staging_directory(staging: Path, source: Path, command: str) -> None:
    subprocess.run(["sh", "-ec", command.format(source=source, staging=staging)], check=True)
    assert tree_of(staging) == tree_of(source)
    assert int((staging / "big.bin").stat().st_mtime) == 1_600_000_000


def test_sed_and_editors_replace_files_in_place(over: Path) -> None:
    subprocess.run(["sed", "-i", "s/small/large/", over / "readme.txt"], check=True)
    assert (over / "readme.txt").read_bytes() == b"a large data set\n"


@pytest.mark.parametrize("others", [0, 1000])
def test_a_listing_does_not_take_back_the_size_of_a_file_that_is_appended_to(staging: Path, others: int) -> None:
    directory = staging / "logs"
    directory.mkdir()
    for number in range(others):
        (directory / f"{number:04}").touch()
    with open(directory / "log", "ab", buffering=0) as log, os.scandir(directory) as rows:
        log.write(b"one ")
        seen = [next(rows).name] if others else []
        log.write(b"two ")
        seen += [row.name for row in rows]
        log.write(b"three")
    assert len(seen) == others + 1
    assert (directory / "log").read_bytes() == b"one two three"


def test_a_listing_does_not_bring_back_what_was_removed_or_moved_meanwhile(staging: Path) -> None:
    directory = staging / "large"
    directory.mkdir()
    for number in range(1000):
        (directory / f"{number:04}").touch()
    with os.scandir(directory) as rows:
        next(rows)
        for number in range(400, 900):
            (directory / f"{number:04}").unlink()
        (directory / "0950").rename(directory / "moved")
        assert "0999" in [row.name for row in rows]
    assert not (directory / "0850").exists()
    assert not (directory / "0950").exists()
    assert (directory / "moved").exists()
    assert len(os.listdir(directory)) == 500
