"""Nodes of references in staging: whom they ask for a size, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.errors import ReferenceUnavailable
from artfs.repository.repository import Repository
from artfs.vfs.attributes import MOVABLE_S, NEVER_S, Changes
from artfs.vfs.staged_nodes import StagedNode
from artfs.vfs.staged_tree import StagedTree
from artfs.vfs.staging.directory import StagingDirectory
from artfs.vfs.views import Views
from tests.unit.vfs.staging.doubles import ARTIFACT, BASE_MTIME_NS, Left, MemoryTree, base_version, make_directory


@pytest.fixture
def base() -> MemoryTree:
    return MemoryTree({"model": Left(b"weights"), "unsized": Left(b"of no size", sized=False), "file": b"bytes"})


@pytest.fixture
def root(tmp_path: Path, repository: Repository, base: MemoryTree) -> Iterator[StagedNode]:
    make_directory(tmp_path / "work", {}).close()
    directory = StagingDirectory(tmp_path / "work", ARTIFACT, base_version(base))
    tree = StagedTree(directory, ARTIFACT, "work", Views(repository))
    yield StagedNode(tree, tree.item_at("", directory.stat("")))
    directory.close()


def child(root: StagedNode, name: str) -> StagedNode:
    found = root.lookup(name)
    assert isinstance(found, StagedNode)
    return found


def test_looking_and_listing_ask_nobody_and_the_kernel_asks_again(root: StagedNode, base: MemoryTree) -> None:
    rows = {row.name: row.attributes for row in root.list()}
    assert (rows["unsized"].size, rows["unsized"].attr_timeout_s) == (0, NEVER_S)
    assert (rows["model"].size, rows["model"].attr_timeout_s) == (7, MOVABLE_S)
    assert child(root, "unsized").glance().attr_timeout_s == NEVER_S
    assert base.calls["ask"] == 0


def test_attributes_ask_the_server_once(root: StagedNode, base: MemoryTree) -> None:
    unsized = child(root, "unsized")
    assert (unsized.origin, unsized.asks) == ("s3://bucket", "s3://bucket")
    assert unsized.attributes().size == 10
    assert unsized.asks is None
    assert (unsized.attributes().size, unsized.glance().size, unsized.glance().blocks) == (10, 10, None)
    assert base.calls["ask"] == 1
    assert (child(root, "model").origin, child(root, "model").asks) == ("s3://bucket", None)
    assert (child(root, "file").origin, child(root, "file").asks) == (None, None)


def test_a_reference_that_was_written_to_is_the_same_inode_and_asks_nobody_any_more(root: StagedNode) -> None:
    unsized = child(root, "unsized")
    reading = unsized.open(os.O_RDONLY)
    assert reading.origin == "s3://bucket"
    assert reading.read(3, 4) == b"no s"
    writing = unsized.open(os.O_RDWR)
    writing.write(0, b"OF")
    assert reading.read(0, 4) == b"OF n"
    assert {file.origin for file in (reading, writing)} == {None}
    again = child(root, "unsized")
    assert (again.key, again.origin, again.asks) == (unsized.key, None, None)
    for file in (reading, writing):
        file.let_go()
        file.close()


def test_times_and_permissions_of_a_reference_stay_and_cost_nothing(root: StagedNode, base: MemoryTree) -> None:
    changed = child(root, "model").change(Changes(mode=0o600, mtime_ns=5, atime_ns=5), None)
    assert (changed.mode & 0o7777, changed.mtime_ns) == (0o644, BASE_MTIME_NS)
    assert base.calls["read"] == 0
    assert child(root, "model").change(Changes(mode=0o755), None).mode & 0o7777 == 0o755
    assert base.calls["read"] == 1


def test_a_server_that_does_not_answer_keeps_a_file_from_being_changed_and_nothing_else(root: StagedNode, base: MemoryTree) -> None:
    base.refusal = ReferenceUnavailable("s3://bucket does not answer")
    model = child(root, "model")
    for attempt in (lambda: model.open(os.O_RDWR), lambda: model.change(Changes(size=3), None), child(root, "unsized").attributes):
        with pytest.raises(ReferenceUnavailable):
            attempt()
    root.rename_to("model", root, "renamed", 0)
    assert sorted(row.name for row in root.list()) == ["file", "renamed", "unsized"]
    root.tree.writer_opens()  # nobody is left that counts as one
    root.tree.writer_closes()
    with root.tree.without_writers():
        pass
