"""What a staging directory says it changes, and what finding that out costs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from artfs.errors import UserError
from artfs.model.entry import Entry, Kind, with_parents
from artfs.vfs.staging.directory import StagingDirectory
from tests.unit.vfs.staging.doubles import ARTIFACT, MemoryTree, base_version, make_directory, put, tree_of

FILES: dict[str, bytes | str | None] = {
    "a/one": b"one",
    "a/b/two": b"two",
    "a/b/c/three*": b"three",
    "link": "a/one",
    "empty": None,
    "x": b"x",
}


def over(tmp_path: Path, files: dict[str, bytes | str | None]) -> tuple[StagingDirectory, MemoryTree]:
    make_directory(tmp_path / "s", {}).close()
    tree = MemoryTree(files)
    return StagingDirectory(tmp_path / "s", ARTIFACT, base_version(tree)), tree


def applied(directory: StagingDirectory, tree: MemoryTree) -> dict[str, tuple[Kind, str, bool]]:
    """The entries that an edit of the base with these changes has."""
    changes = directory.changes()
    entries: dict[str, Entry] = {
        path: entry
        for path, entry in tree.entries.items()
        if not any(path == gone or path.startswith(gone + "/") for gone in changes.removed)
    }
    for entry in changes.added:
        entries[entry.path] = entry
    for file in changes.files:
        entries[file.path] = Entry(file.path, executable=file.executable)
    return {entry.path: (entry.kind, entry.target, entry.executable) for entry in with_parents(entries.values())}


def visible(directory: StagingDirectory) -> dict[str, tuple[Kind, str, bool]]:
    kinds = {"file": Kind.FILE, "directory": Kind.DIRECTORY, "symlink": Kind.SYMLINK}
    return {
        path: (kinds[kind], str(text) if kind == "symlink" else "", kind == "file" and bool(mode & 0o100))
        for path, (kind, _, text, mode, _) in tree_of(directory).items()
    }


def test_untouched_directory_changes_nothing(tmp_path: Path) -> None:
    directory, _ = over(tmp_path, FILES)
    assert directory.changes().is_empty


def test_what_was_undone_is_no_change(tmp_path: Path) -> None:
    directory, _ = over(tmp_path, FILES)
    directory.rename("x", "y")
    directory.rename("y", "x")
    directory.rename("a/b", "b")
    directory.rename("b", "a/b")
    directory.mkdir("new")
    directory.rmdir("new")
    assert directory.changes().is_empty


def test_each_kind_of_change_is_found(tmp_path: Path) -> None:
    directory, tree = over(tmp_path, FILES)
    directory.unlink("link")
    put(directory, "a/b/new", b"new", 0o755)
    directory.rename("a/b/c", "c")
    directory.rename("x", "a/x")
    directory.symlink("here", "s")
    directory.mkdir("d")
    directory.rmdir("empty")
    changes = directory.changes()
    assert sorted(changes.removed) == ["a/b/c", "empty", "link", "x"]
    assert [(file.path, file.executable) for file in changes.files] == [("a/b/new", True)]
    assert sorted(entry.path for entry in changes.moved) == ["a/x", "c/three"]
    assert [entry.path for entry in changes.directories if entry.path == "d"] == ["d"]
    assert [(entry.path, entry.target) for entry in changes.symlinks] == [("s", "here")]
    assert applied(directory, tree) == visible(directory)


def test_moved_files_keep_their_content_and_time(tmp_path: Path) -> None:
    directory, tree = over(tmp_path, FILES)
    directory.rename("a", "moved")
    moved = {entry.path: entry for entry in directory.changes().moved}
    assert moved["moved/one"] == tree.entries["a/one"].at("moved/one")
    assert moved["moved/b/c/three"].executable


@pytest.mark.parametrize("swap", [("a", "x"), ("a/b", "x"), ("a/b/c", "empty"), ("link", "a")])
def test_one_kind_in_the_place_of_another(tmp_path: Path, swap: tuple[str, str]) -> None:
    directory, tree = over(tmp_path, FILES)
    first, second = swap
    directory.rename(first, "aside")
    directory.rename(second, first)
    directory.rename("aside", second)
    assert applied(directory, tree) == visible(directory)


def test_directory_made_anew_in_its_own_place_shows_nothing_of_the_old_one(tmp_path: Path) -> None:
    directory, tree = over(tmp_path, FILES)
    directory.rename("a/b", "kept")
    directory.unlink("a/one")
    directory.rmdir("a")
    directory.mkdir("a")
    directory.rename("kept", "a/b")
    assert applied(directory, tree) == visible(directory)
    assert "a/one" not in applied(directory, tree)


@pytest.mark.parametrize("size", [10, 1000])
def test_cost_follows_the_change_not_the_size(tmp_path: Path, size: int) -> None:
    directory, tree = over(tmp_path, {f"d{i % 10}/e/f{i}": b"x" for i in range(size)})
    put(directory, "d3/e/new", b"")
    tree.calls.clear()
    assert [file.path for file in directory.changes().files] == ["d3/e/new"]
    assert tree.calls["list"] == tree.calls["iter_entries"] == 0
    assert tree.calls["get"] <= 4


def test_what_cannot_be_in_a_version_is_refused(tmp_path: Path) -> None:
    directory, _ = over(tmp_path, FILES)
    os.mkfifo(directory.upper / "pipe")
    with pytest.raises(UserError, match="pipe"):
        directory.changes()
