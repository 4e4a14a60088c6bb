"""What a staging directory does beyond what the model test compares: errors, costs, threads, locks."""

from __future__ import annotations

import errno
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artfs.errors import Busy
from artfs.model.entry import Entry, Kind
from artfs.model.names import MAX_NAME_BYTES
from artfs.vfs.staging.base_version import BaseVersion
from artfs.vfs.staging.directory import StagingDirectory
from artfs.vfs.staging.moves import RENAME_NOREPLACE
from tests.unit.vfs.staging.doubles import (
    ARTIFACT,
    BASE_MTIME_NS,
    CountingHost,
    MemoryTree,
    base_version,
    get,
    make_directory,
    put,
    tree_of,
)

FILES: dict[str, bytes | str | None] = {"a/one": b"one", "a/two*": b"two", "b": b"top", "a/link": "one", "empty": None}


def fails_with(code: int, directory: StagingDirectory, method: str, *args: object) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is checked below
        getattr(directory, method)(*args)
    assert caught.value.errno == code


NAMES = [("new\nline", errno.EINVAL), ("\x7f", errno.EINVAL), ("\udcff", errno.EILSEQ), ("n" * 256, errno.ENAMETOOLONG)]


@pytest.mark.parametrize(("name", "code"), NAMES)
@pytest.mark.parametrize("files", [None, FILES], ids=["alone", "over a base"])
def test_names_that_no_version_can_hold_are_refused(
    tmp_path: Path, name: str, code: int, files: dict[str, bytes | str | None] | None
) -> None:
    directory = make_directory(tmp_path / "s", files)
    put(directory, "f", b"")
    before = directory.list("")
    fails_with(code, directory, "mkdir", name, 0o755)
    fails_with(code, directory, "symlink", "target", name)
    fails_with(code, directory, "open", name, os.O_CREAT | os.O_WRONLY, 0o644)
    fails_with(code, directory, "rename", "f", name)
    fails_with(code, directory, "link", "f", name)
    assert directory.list("") == before


def test_path_that_no_version_can_hold_is_refused(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s")
    for depth in range(1, 13):
        directory.mkdir("/".join(["d" * MAX_NAME_BYTES] * depth))
    fails_with(errno.ENAMETOOLONG, directory, "mkdir", "/".join(["d" * MAX_NAME_BYTES] * 13))


def test_symlink_target_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    fails_with(errno.EILSEQ, make_directory(tmp_path / "s"), "symlink", "\udcff", "x")


def test_nobody_climbs_out_of_the_directory(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s", FILES)
    fails_with(errno.ENOENT, directory, "stat", "../base.json")
    fails_with(errno.ENOENT, directory, "stat", "a/../b")
    fails_with(errno.ENOENT, directory, "stat", "a//one")


def test_base_files_show_their_mode_time_and_entry_until_they_are_written(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s", FILES)
    before = directory.stat("a/two")
    assert (stat.S_IMODE(before.mode), before.mtime_ns, before.host_ino, before.size) == (0o755, BASE_MTIME_NS, 0, 3)
    assert isinstance(before.entry, Entry)
    os.close(directory.open("a/two", os.O_RDWR))
    opened = directory.stat("a/two")
    assert (stat.S_IMODE(opened.mode), opened.mtime_ns, opened.entry) == (0o755, BASE_MTIME_NS, None)
    assert opened.host_ino
    put(directory, "a/two", b"2")
    assert directory.stat("a/two").mtime_ns > BASE_MTIME_NS


def test_reading_a_base_file_leaves_nothing_in_upper(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s", FILES)
    assert get(directory, "a/one") == b"one"
    assert sorted(path.name for path in (tmp_path / "s").rglob("*")) == [".artfs-base", "tmp", "upper"]


def test_chmod_to_the_mode_a_base_file_has_copies_nothing(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s", FILES)
    directory.chmod("a/one", 0o644)
    directory.chmod("a/two", 0o755)
    assert directory.stat("a/one").entry is not None
    assert directory.stat("a/two").entry is not None


def test_descriptor_of_an_unlinked_file_stays_usable(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s", FILES)
    fd = directory.open("a/one", os.O_RDWR)
    directory.unlink("a/one")
    assert os.pread(fd, 10, 0) == b"one"
    assert os.fstat(fd).st_nlink == 0
    os.close(fd)


def test_rename_without_replacing_tells_what_is_there(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s", FILES)
    fails_with(errno.EEXIST, directory, "rename", "b", "a/one", RENAME_NOREPLACE)
    directory.rename("b", "c", RENAME_NOREPLACE)
    assert get(directory, "c") == b"top"
    fails_with(errno.EINVAL, directory, "rename", "c", "d", 4)


def test_moves_of_the_base_survive_moves_and_edits(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s", FILES)
    directory.rename("a", "x")
    directory.rename("x/one", "one")
    directory.mkdir("a")
    put(directory, "a/one", b"new")
    directory.rename("x", "a/x")
    assert get(directory, "one") == b"one"
    assert get(directory, "a/x/two") == b"two"
    assert set(tree_of(directory)) == {"a", "a/one", "a/x", "a/x/two", "a/x/link", "b", "empty", "one"}


def test_o_append_is_left_to_the_caller(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s")
    put(directory, "f", b"12345")
    fd = directory.open("f", os.O_WRONLY | os.O_APPEND)
    os.pwrite(fd, b"x", 0)
    os.close(fd)
    assert get(directory, "f") == b"x2345"


# costs


def test_moving_a_base_directory_costs_the_same_whatever_is_in_it(tmp_path: Path) -> None:
    costs = []
    for size in (1, 500):
        host = CountingHost()
        directory = make_directory(tmp_path / str(size), {f"d/{i}/f": b"x" for i in range(size)}, host)
        directory.rename("d", "e")
        costs.append(host.counts)
        assert len(directory.list("e")) == size
    assert costs[0] == costs[1]


def test_looking_at_a_file_costs_one_lstat_however_deep_it_lies(tmp_path: Path) -> None:
    host = CountingHost()
    deep = "/".join("d" * 30)
    directory = make_directory(tmp_path / "s", {f"{deep}/base": b"x"}, host)
    put(directory, f"{deep}/file", b"y")
    directory.stat(f"{deep}/file")
    host.counts.clear()
    for _ in range(10):
        directory.stat(f"{deep}/file")
    assert host.counts == {"lstat": 10}


def test_creating_a_file_costs_one_open_and_one_fstat(tmp_path: Path) -> None:
    host = CountingHost()
    directory = make_directory(tmp_path / "s", None, host)
    put(directory, "first", b"")
    host.counts.clear()
    fd, status = directory.create("second", os.O_WRONLY | os.O_EXCL, 0o644)
    os.close(fd)
    assert status.kind is Kind.FILE
    assert host.counts.total() <= 3
    assert host.counts["lstat"] == 0


def test_truncating_a_base_file_copies_no_more_than_is_kept(tmp_path: Path) -> None:
    tree = MemoryTree({"big": bytes(10 << 20)})
    make_directory(tmp_path / "s", {}).close()
    directory = StagingDirectory(tmp_path / "s", ARTIFACT, base_version(tree))
    directory.truncate("big", 100)
    os.close(directory.open("big", os.O_WRONLY | os.O_TRUNC))
    assert directory.stat("big").size == 0
    assert tree.calls["read"] == 1


# threads, processes, locks


def test_two_users_of_one_folder_do_not_change_it_at_once(tmp_path: Path) -> None:
    first = make_directory(tmp_path / "s", FILES)
    second = StagingDirectory(tmp_path / "s", ARTIFACT, first.base)
    put(second, "mine", b"2")
    with pytest.raises(Busy, match="another process"):
        first.mkdir("x")
    second.rename("a", "moved")
    assert get(first, "moved/one") == b"one"
    assert get(first, "mine") == b"2"
    second.close()
    first.mkdir("x")
    with pytest.raises(FileNotFoundError):
        second.stat("x")


def test_directory_that_is_frozen_can_be_read_but_not_changed(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s", FILES)
    with directory.frozen():
        assert get(directory, "a/one") == b"one"
        for change in (
            lambda: directory.mkdir("x"),
            lambda: directory.unlink("b"),
            lambda: directory.rename("b", "c"),
            lambda: directory.truncate("b", 0),
            lambda: put(directory, "new", b""),
        ):
            with pytest.raises(Busy, match="being committed"):
                change()
    directory.mkdir("x")


def test_many_threads_opening_one_base_file_get_one_file(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s", FILES)
    barrier = threading.Barrier(8)

    def write(index: int) -> None:
        barrier.wait()
        fd = directory.open("a/one", os.O_RDWR)
        os.pwrite(fd, b"%d" % index, 10 + index)
        os.close(fd)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert get(directory, "a/one") == b"one" + bytes(7) + b"01234567"
    assert list((tmp_path / "s" / "tmp").iterdir()) == []


class SlowReader(MemoryTree):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(FILES)
        self.asked, self.go = threading.Event(), threading.Event()

    def read(self, entry: Entry, offset: int, length: int) -> bytes:
        self.asked.set()
        assert self.go.wait(30)
        return b"x" * length


def test_copying_up_holds_nobody_up_and_sees_what_has_become_of_the_name(tmp_path: Path) -> None:
    reader = SlowReader()
    base = base_version(MemoryTree(FILES))
    make_directory(tmp_path / "s", {}).close()
    directory = StagingDirectory(tmp_path / "s", ARTIFACT, BaseVersion(base.record, base.tree, reader))
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(directory.open, "b", os.O_RDWR)
        assert reader.asked.wait(30)
        assert len(directory.list("")) == 3  # while the copy is under way
        directory.unlink("b")
        reader.go.set()
        with pytest.raises(FileNotFoundError):
            opened.result(30)
    assert list((tmp_path / "s" / "tmp").iterdir()) == []
    assert [name for name, _ in directory.list("")] == ["a", "empty"]


def test_what_a_crash_left_half_done_is_cleared_away_at_the_next_change(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "s")
    (tmp_path / "s" / "tmp" / "0" / "deep").mkdir(parents=True)
    (tmp_path / "s" / "tmp" / "1").write_bytes(b"half")
    directory.mkdir("x")
    assert list((tmp_path / "s" / "tmp").iterdir()) == []


def test_fsync_reaches_every_directory_above(tmp_path: Path) -> None:
    host = CountingHost()
    directory = make_directory(tmp_path / "s", {"a/b/c/f": b"x"}, host)
    fd = directory.open("a/b/c/f", os.O_RDWR)
    assert host.counts["fsync"] == 1  # the copy, before it takes the name of what was safe
    host.counts.clear()
    directory.fsync(fd, "a/b/c/f")
    os.close(fd)
    assert host.counts["fsync"] == 5


def test_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    class FullHost(CountingHost):
        def fchmod_fails(self, *args: object) -> None:
            raise OSError(errno.ENOSPC, "no space")

        def __getattribute__(self, name: str) -> object:
            return super().__getattribute__("fchmod_fails" if name == "fchmod" else name)

    directory = make_directory(tmp_path / "s", FILES, FullHost())
    fails_with(errno.ENOSPC, directory, "truncate", "b", 1)
    assert get(directory, "b") == b"top"
    assert list((tmp_path / "s" / "tmp").iterdir()) == []
