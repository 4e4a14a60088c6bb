"""What goes on in a staging directory while the store lets one file of the base wait."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from artfs.errors import Busy
from artfs.model.entry import Entry
from artfs.repository.repository import Repository
from artfs.vfs.attributes import Changes
from artfs.vfs.staged_nodes import StagedNode
from artfs.vfs.staged_tree import StagedTree
from artfs.vfs.staging.directory import StagingDirectory
from artfs.vfs.views import Views
from tests.unit.vfs.staging.doubles import ARTIFACT, MemoryTree, base_version, get, make_directory

WITHIN_S = 10


class SlowTree(MemoryTree):
    """A base whose files cannot be read before they are released."""

    def __init__(self) -> None:
        super().__init__({"model": b"weights", "other": b"other"})
        self.asked, self.released = threading.Event(), threading.Event()

    def read(self, entry: Entry, offset: int, length: int) -> bytes:
        self.asked.set()
        assert self.released.wait(WITHIN_S)
        return super().read(entry, offset, length)


@pytest.fixture
def base() -> SlowTree:
    return SlowTree()


@pytest.fixture
def root(tmp_path: Path, repository: Repository, base: SlowTree) -> StagedNode:
    make_directory(tmp_path / "work", {}).close()
    directory = StagingDirectory(tmp_path / "work", ARTIFACT, base_version(base))
    tree = StagedTree(directory, ARTIFACT, "work", Views(repository))
    return StagedNode(tree, tree.item_at("", directory.stat("")))


@pytest.fixture
def start() -> Iterator[Callable[..., Future[object]]]:
    with ThreadPoolExecutor() as threads:
        yield threads.submit


def child(root: StagedNode, name: str) -> StagedNode:
    found = root.lookup(name)
    assert isinstance(found, StagedNode)
    return found


@pytest.mark.parametrize("change", ["open", "chmod", "truncate", "link"])
def test_bringing_a_file_from_the_base_keeps_nobody_from_renaming_and_looking(
    root: StagedNode, base: SlowTree, start: Callable[..., Future[object]], change: str
) -> None:
    model = child(root, "model")
    calls: dict[str, Callable[[], object]] = {
        "open": lambda: model.open(os.O_RDWR),
        "chmod": lambda: model.change(Changes(mode=0o755), None),
        "truncate": lambda: model.change(Changes(size=3), None),
        "link": lambda: root.link(model, "link"),
    }
    changing = start(calls[change])
    assert base.asked.wait(WITHIN_S)
    try:
        start(root.rename_to, "other", root, "moved", 0).result(WITHIN_S)
        start(root.rename_to, "model", root, "renamed", 0).result(WITHIN_S)
        listed = start(root.list).result(WITHIN_S)
        assert isinstance(listed, list)
        assert [row.name for row in listed] == ["moved", "renamed"]
    finally:
        base.released.set()
    done = changing.result(WITHIN_S)
    assert get(root.tree.directory, "renamed") == (b"wei" if change == "truncate" else b"weights")
    assert list((root.tree.directory.folder / "tmp").iterdir()) == []
    if change == "open":
        done.close()  # type: ignore[attr-defined]
    root.tree.directory.close()


def test_attributes_do_not_change_while_a_commit_has_the_directory(root: StagedNode, base: SlowTree) -> None:
    base.released.set()
    model = child(root, "model")
    with root.tree.without_writers(), pytest.raises(Busy):
        model.change(Changes(size=0), None)
    model.change(Changes(size=0), None)
    root.tree.directory.close()


def test_what_had_room_of_a_write_is_counted_as_written(root: StagedNode) -> None:
    _, file = root.create("large", os.O_RDWR, 0o644)
    before, state = resource.getrlimit(resource.RLIMIT_FSIZE), root.state
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        assert file.write(0, bytes(8192)) == 4096
        with pytest.raises(OSError, match="too large"):
            file.write(4096, b"x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert root.state is not state
    file.let_go()
    file.close()
    root.tree.directory.close()
