"""download, checkout and verify_directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from artfs.errors import AlreadyExists, EntryNotFound, UserError
from artfs.model.entry import Entry, directory_entry, symlink_entry
from artfs.model.records import VersionRecord
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.materialise import Difference, checkout, download, verify_directory
from artfs.repository.repository import Repository
from tests.fault.versions import ARTIFACT, commit

TIME = 1_600_000_000_123_456_789


@pytest.fixture
def version(repository: Repository) -> VersionRecord:
    """Files, an executable, a symlink that points up, an empty directory, an empty and a long file."""
    ingest = begin_ingest(repository, "tester")
    entries: list[Entry] = [
        ingest.add_bytes(b"readme", "readme.txt", mtime_ns=TIME),
        ingest.add_bytes(b"#!/bin/sh\n", "bin/run", mtime_ns=TIME, executable=True),
        ingest.add_bytes(b"", "data/empty", mtime_ns=TIME),
        ingest.add_bytes(bytes(range(256)) * 40_000, "data/long.bin", mtime_ns=TIME),
        ingest.add_bytes(b"other", "data-2/x", mtime_ns=TIME),
        symlink_entry("data/link", "../readme.txt", TIME),
        directory_entry("nothing/here"),
    ]
    return commit_entries(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset")).version


def _inodes(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(root)): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in root.rglob("*")}


def test_download_gives_files_modes_times_symlinks_and_empty_directories(
    repository: Repository, version: VersionRecord, tmp_path: Path
) -> None:
    root = tmp_path / "new" / "out"
    seen: list[tuple[int, int]] = []
    download(repository, version, root, on_progress=lambda files, size: seen.append((files, size)))
    assert (root / "readme.txt").read_bytes() == b"readme"
    assert (root / "data/long.bin").stat().st_size == 256 * 40_000
    assert (root / "data/long.bin").stat().st_mtime_ns == TIME
    assert os.access(root / "bin/run", os.X_OK)
    assert not (root / "readme.txt").stat().st_mode & 0o111
    assert (root / "data/link").readlink() == Path("../readme.txt")
    assert (root / "data/link").lstat().st_mtime_ns == TIME
    assert (root / "nothing/here").is_dir()
    assert verify_directory(repository, version, root) == []
    assert seen == sorted(seen)
    assert seen[-1][1] >= version.size


def test_download_again_touches_nothing_that_is_right(repository: Repository, version: VersionRecord, tmp_path: Path) -> None:
    download(repository, version, tmp_path / "out")
    os.utime(tmp_path / "out/readme.txt", ns=(1, 1))
    before = _inodes(tmp_path / "out")
    download(repository, version, tmp_path / "out")
    assert _inodes(tmp_path / "out") == before


def test_download_replaces_what_is_wrong_and_keeps_foreign_files(
    repository: Repository, version: VersionRecord, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    download(repository, version, root)
    (root / "readme.txt").write_bytes(b"REAEME")
    (root / "bin/run").chmod(0o644)
    (root / "data/link").unlink()
    (root / "data/link").symlink_to("elsewhere")
    (root / "data/empty").unlink()
    (root / "data/empty").mkdir()
    (root / "data-2/x").unlink()
    (root / "data-2/x").symlink_to(root / "foreign.txt")
    (root / "foreign.txt").write_bytes(b"mine")
    download(repository, version, root)
    assert verify_directory(repository, version, root) == [Difference("foreign.txt", "is not in the version")]
    assert (root / "foreign.txt").read_bytes() == b"mine"


def test_download_refuses_to_remove_a_directory_with_foreign_files(
    repository: Repository, version: VersionRecord, tmp_path: Path
) -> None:
    mine = tmp_path / "out/readme.txt/mine"
    mine.mkdir(parents=True)
    with pytest.raises(AlreadyExists, match="checkout"):
        download(repository, version, tmp_path / "out")
    assert mine.is_dir()
    checkout(repository, version, tmp_path / "out")
    assert verify_directory(repository, version, tmp_path / "out") == []


def test_checkout_removes_foreign_files_and_directories(repository: Repository, version: VersionRecord, tmp_path: Path) -> None:
    root = tmp_path / "out"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"precious")
    download(repository, version, root)
    before = _inodes(root)
    (root / "foreign/deep").mkdir(parents=True)
    (root / "foreign/deep/file").touch()
    (root / "data/foreign").symlink_to(outside)
    (root / ".hidden").touch()
    checkout(repository, version, root)
    assert verify_directory(repository, version, root) == []
    after = _inodes(root)
    assert {path: inode for path, (inode, _) in after.items()} == {path: inode for path, (inode, _) in before.items()}
    assert (outside / "precious").read_bytes() == b"precious"


def test_symlink_in_the_place_of_a_directory_is_replaced_and_not_followed(
    repository: Repository, version: VersionRecord, tmp_path: Path
) -> None:
    for work in (download, checkout):
        root, outside = tmp_path / work.__name__, tmp_path / f"outside-{work.__name__}"
        root.mkdir()
        outside.mkdir()
        (outside / "precious").write_bytes(b"precious")
        (root / "data").symlink_to(outside)
        (root / "nothing").symlink_to(outside)
        assert any(difference.path.startswith("data") for difference in verify_directory(repository, version, root))
        work(repository, version, root)
        assert not (root / "data").is_symlink()
        assert verify_directory(repository, version, root) == []
        assert [path.name for path in outside.iterdir()] == ["precious"]


def test_root_may_be_a_symlink(repository: Repository, version: VersionRecord, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    download(repository, version, tmp_path / "link")
    assert verify_directory(repository, version, tmp_path / "real") == []


@pytest.mark.parametrize(
    ("prefix", "paths"),
    [
        ("data", {"data", "data/empty", "data/link", "data/long.bin"}),
        ("data/", {"data", "data/empty", "data/link", "data/long.bin"}),
        ("data/l", {"data", "data/link", "data/long.bin"}),
        ("readme.txt", {"readme.txt"}),
        ("rea", {"readme.txt"}),
        ("nothing", {"nothing", "nothing/here"}),
    ],
)
def test_prefix_chooses_what_is_at_or_below_it(
    repository: Repository, version: VersionRecord, tmp_path: Path, prefix: str, paths: set[str]
) -> None:
    download(repository, version, tmp_path / "out", path_prefix=prefix)
    assert set(_inodes(tmp_path / "out")) == paths


@pytest.mark.parametrize("prefix", ["absent", "data/absent", "rea/", "readme.txt/below"])
def test_prefix_that_is_nothing_is_an_error(repository: Repository, version: VersionRecord, tmp_path: Path, prefix: str) -> None:
    with pytest.raises(EntryNotFound, match="no path that begins with"):
        download(repository, version, tmp_path / "out", path_prefix=prefix)


def test_differences_are_told_one_by_one(repository: Repository, version: VersionRecord, tmp_path: Path) -> None:
    root = tmp_path / "out"
    download(repository, version, root)
    (root / "readme.txt").write_bytes(b"readmE")
    (root / "bin/run").write_bytes(b"short")
    (root / "data/empty").unlink()
    (root / "data/link").unlink()
    (root / "data/link").symlink_to("elsewhere")
    (root / "data-2/x").chmod(0o755)
    (root / "nothing/here").rmdir()
    (root / "nothing/here").touch()
    (root / "foreign").mkdir()
    assert [str(difference) for difference in verify_directory(repository, version, root)] == [
        "bin/run has 5 bytes instead of 10",
        "data-2/x is executable",
        "data/empty is missing",
        "data/link points elsewhere",
        "foreign is not in the version",
        "nothing/here is not a directory",
        "readme.txt has different content",
    ]


def test_editing_a_downloaded_file_does_not_touch_the_store(repository: Repository, version: VersionRecord, tmp_path: Path) -> None:
    download(repository, version, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or path.lstat().st_nlink == 1
    (tmp_path / "out/data/long.bin").write_bytes(b"edited")
    download(repository, version, tmp_path / "again")
    assert verify_directory(repository, version, tmp_path / "again") == []


def test_pipe_in_the_place_of_a_file_does_not_block(repository: Repository, version: VersionRecord, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out/readme.txt")
    assert Difference("readme.txt", "is not a file") in verify_directory(repository, version, tmp_path / "out")
    download(repository, version, tmp_path / "out")
    assert verify_directory(repository, version, tmp_path / "out") == []


def test_checkout_refuses_directories_that_are_nobodys(repository: Repository, version: VersionRecord) -> None:
    for root in (Path("/"), Path.home()):
        with pytest.raises(UserError, match="directory of its own"):
            checkout(repository, version, root)


def test_root_that_is_a_file_is_one_clear_error(repository: Repository, version: VersionRecord, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file is a file: choose a directory"):
        download(repository, version, tmp_path / "file")
    with pytest.raises(UserError, match="absent cannot be used"):
        verify_directory(repository, version, tmp_path / "absent")


def test_many_small_files_arrive_whole(repository: Repository, tmp_path: Path) -> None:
    files = {f"d{number % 7}/f{number}": b"%d" % number * (number % 50) for number in range(1500)}
    version = commit(repository, files).version
    download(repository, version, tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == files
