"""Walking a local folder: the order, what is followed, and what is refused."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artfs.content.walk import walk_directory
from artfs.errors import NameNotValid, SourceNotReadable

NAMES = st.sampled_from(["a", "a-b", "a.b", "A", "0", "ä", ".hidden", "z"])


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        place = root / path
        if path.endswith("/"):
            place.mkdir(parents=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"")
    return root


def test_files_come_in_manifest_order_with_hidden_ones(tmp_path: Path) -> None:
    make(tmp_path, "b", "a/x/y", "a-b/z", "a/c", ".git/config", ".hidden")
    found = walk_directory(tmp_path).files
    assert [path for path, _ in found] == [".hidden", "b", ".git/config", "a/c", "a-b/z", "a/x/y"]
    assert all(place == tmp_path / path for path, place in found)


@given(st.sets(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=12))
@settings(deadline=None, max_examples=40)
def test_any_tree_comes_in_manifest_order(tmp_path_factory: pytest.TempPathFactory, tree: set[str]) -> None:
    root = tmp_path_factory.mktemp("walk")
    paths = [path for path in tree if not any(other.startswith(path + "/") for other in tree)]
    make(root, *paths)
    walk = walk_directory(root)
    assert [path for path, _ in walk.files] == sorted(paths, key=lambda path: (path.rpartition("/")[0], path))
    assert walk.empty_directories == []


def test_empty_directories_are_told_without_those_above_them(tmp_path: Path) -> None:
    make(tmp_path, "empty/", "a/b/empty/", "a/file", "c/d/file")
    assert walk_directory(tmp_path).empty_directories == ["empty", "a/b/empty"]


def test_symlinks_are_followed(tmp_path: Path) -> None:
    make(tmp_path, "real/file", "other")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "to-file").symlink_to("other")
    assert [path for path, _ in walk_directory(tmp_path).files] == ["other", "to-file", "link/file", "real/file"]


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_symlink_in_a_circle_is_refused(tmp_path: Path, target: str) -> None:
    root = make(tmp_path / "root", "a/b/file")
    (root / "a" / "b" / "circle").symlink_to(target)
    with pytest.raises(SourceNotReadable, match="circle is a symlink to a folder that it lies in"):
        walk_directory(root)


def test_a_symlink_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(SourceNotReadable, match="self"):
        walk_directory(tmp_path)


def test_a_symlink_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nothing")
    with pytest.raises(SourceNotReadable, match="broken is a symlink that leads nowhere"):
        walk_directory(tmp_path)


def test_special_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceNotReadable, match="pipe is a named pipe"):
        walk_directory(tmp_path)
    (tmp_path / "pipe").unlink()
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        with pytest.raises(SourceNotReadable, match="sock is a socket"):
            walk_directory(tmp_path)


def test_names_that_no_path_can_have_are_refused(tmp_path: Path) -> None:
    for name in (b"\xff\xfe", b"line\nbreak", b"bell\x07"):
        place = os.fsencode(tmp_path) + b"/" + name
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
        with pytest.raises(NameNotValid, match="cannot be part of an artifact, rename it"):
            walk_directory(tmp_path)
        Path(os.fsdecode(place)).unlink()


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    before = os.open(".", os.O_RDONLY)
    try:  # too long to be made in one step
        os.chdir(tmp_path)
        for _ in range(13):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
    finally:
        os.fchdir(before)
        os.close(before)
    with pytest.raises(NameNotValid, match="longer than 3072 bytes"):
        walk_directory(tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotReadable, match=r"cannot read the folder .*nothing"):
        walk_directory(tmp_path / "nothing")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceNotReadable, match="cannot read the folder"):
        walk_directory(tmp_path / "file")
