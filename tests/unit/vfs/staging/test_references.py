"""References of the base: what of them is a file in a staging directory, and what makes them one for good."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from artfs.errors import ReferenceChanged
from artfs.model.entry import Kind
from artfs.vfs.staging.directory import StagingDirectory
from tests.unit.vfs.staging.doubles import ARTIFACT, BASE_MTIME_NS, Left, MemoryTree, base_version, get, make_directory, put

CHANGED = ReferenceChanged("s3://bucket/model", recorded="one", found="another")


@pytest.fixture
def tree() -> MemoryTree:
    return MemoryTree({"model": Left(b"weights"), "d/more": Left(b"more weights"), "unsized": Left(b"of no size", sized=False)})


@pytest.fixture
def directory(tmp_path: Path, tree: MemoryTree) -> StagingDirectory:
    make_directory(tmp_path / "s", {}).close()
    return StagingDirectory(tmp_path / "s", ARTIFACT, base_version(tree))


def test_a_reference_is_a_file_of_the_recorded_size_and_time(directory: StagingDirectory) -> None:
    status = directory.stat("model")
    assert (status.kind, status.mode & 0o7777, status.size, status.mtime_ns) == (Kind.FILE, 0o644, 7, BASE_MTIME_NS)
    assert status.reference is not None
    assert directory.stat("unsized").size == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda directory: directory.chmod("model", 0o600),
        lambda directory: directory.utimens("model", 5, 5),
        lambda directory: directory.rename("model", "other") or directory.rename("other", "model"),
    ],
    ids=["chmod", "utimens", "there and back"],
)
def test_what_a_version_does_not_say_of_a_reference_changes_nothing(
    directory: StagingDirectory, tree: MemoryTree, change: Callable[[StagingDirectory], None]
) -> None:
    change(directory)
    assert directory.changes().is_empty
    assert tree.calls["read"] == 0


@pytest.mark.parametrize(
    ("change", "content", "executable"),
    [
        (lambda directory: directory.chmod("model", 0o755), b"weights", True),
        (lambda directory: directory.truncate("model", 3), b"wei", False),
        (lambda directory: os.close(directory.open("model", os.O_RDWR)), b"weights", False),
        (lambda directory: put(directory, "model", b"new"), b"new", False),
    ],
    ids=["making it executable", "truncating it", "opening it for writing", "writing it anew"],
)
def test_what_changes_a_reference_makes_it_a_file(
    directory: StagingDirectory, change: Callable[[StagingDirectory], None], content: bytes, executable: bool
) -> None:
    change(directory)
    changes = directory.changes()
    assert [(file.path, file.executable) for file in changes.files] == [("model", executable)]
    assert changes.removed == ["model"]
    assert get(directory, "model") == content
    assert directory.stat("model").reference is None


def test_emptying_a_reference_asks_nobody(directory: StagingDirectory, tree: MemoryTree) -> None:
    tree.refusal = CHANGED
    directory.truncate("unsized", 0)
    directory.truncate("model", 0)
    assert directory.stat("unsized").size == 0
    assert len(directory.changes().files) == 2


def test_a_reference_without_a_size_is_copied_as_a_whole(directory: StagingDirectory) -> None:
    os.close(directory.open("unsized", os.O_RDWR))
    assert get(directory, "unsized") == b"of no size"


def test_renamed_references_stay_references_at_the_new_path(directory: StagingDirectory, tree: MemoryTree) -> None:
    directory.rename("model", "model-2")
    directory.rename("d", "e")
    changes = directory.changes()
    moved = {entry.path: entry.reference for entry in changes.moved if entry.kind is Kind.REFERENCE}
    assert moved == {"model-2": tree.entries["model"].reference, "e/more": tree.entries["d/more"].reference}
    assert sorted(changes.removed) == ["d", "model"]
    assert tree.calls["read"] == 0
    assert get(directory, "model-2") == b"weights"


def test_a_removed_reference_is_removed(directory: StagingDirectory) -> None:
    directory.unlink("model")
    assert directory.changes().removed == ["model"]


def test_a_reference_has_no_second_name(directory: StagingDirectory) -> None:
    with pytest.raises(OSError, match="cannot have two names") as caught:
        directory.link("model", "other")
    assert caught.value.errno == errno.EPERM
    assert directory.changes().is_empty


def test_a_reference_that_cannot_be_copied_stays_what_it_was(directory: StagingDirectory, tree: MemoryTree) -> None:
    tree.refusal = CHANGED
    for path in ("model", "unsized"):
        with pytest.raises(ReferenceChanged, match="recorded one, found another"):
            directory.open(path, os.O_RDWR)
    assert directory.changes().is_empty
    assert list((directory.folder / "tmp").iterdir()) == []
    tree.refusal = None
    assert get(directory, "model") == b"weights"
