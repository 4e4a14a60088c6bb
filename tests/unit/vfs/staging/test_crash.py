"""A crash between any two host operations loses nothing and brings nothing back (I5): each operation, cut off at each step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from artfs.vfs.staging.directory import StagingDirectory
from artfs.vfs.staging.host import HOST
from artfs.vfs.staging.moves import RENAME_EXCHANGE
from tests.unit.vfs.staging.doubles import Crash, CrashingHost, Node, make_directory, put, tree_of

BASE: dict[str, bytes | str | None] = {
    "file": b"file of the base",
    "other": b"another",
    "data/one": b"one",
    "data/two": b"two",
    "data/deep/three*": b"three",
    "emptied/old": b"deleted long ago",
    "emptied/older/x": b"deleted too",
    "plain/hidden": b"hidden by a new directory of that name",
    "nothing": None,
    "pointer": "data/one",
    "away": b"to be moved",
    "taken/along": b"in a directory to be moved",
}


def prepare(folder: Path) -> None:
    """A staging directory in which something of everything was done."""
    directory = make_directory(folder, BASE)
    directory.unlink("emptied/old")
    directory.unlink("emptied/older/x")
    directory.rmdir("emptied/older")
    directory.unlink("plain/hidden")
    directory.rmdir("plain")
    directory.mkdir("plain")
    directory.mkdir("new")
    directory.mkdir("new/sub")
    put(directory, "new/sub/own", b"my own")
    put(directory, "own", b"written here")
    directory.chmod("file", 0o600)
    directory.rename("away", "moved")
    directory.rename("taken", "new/taken")
    directory.close()


Operation = Callable[[StagingDirectory], object]

OPERATIONS: dict[str, Operation] = {
    "create": lambda d: put(d, "data/deep/fresh", b""),
    "overwrite a base file": lambda d: os.close(d.open("data/deep/three", os.O_RDWR)),
    "truncate a base file": lambda d: d.truncate("data/two", 2),
    "chmod a base file": lambda d: d.chmod("data/one", 0o600),
    "touch a base symlink": lambda d: d.utimens("pointer", 5, 5),
    "link a base file": lambda d: d.link("data/one", "new/one"),
    "unlink a base file": lambda d: d.unlink("data/one"),
    "unlink a new file": lambda d: d.unlink("own"),
    "unlink a copied-up file": lambda d: d.unlink("file"),
    "unlink a moved file": lambda d: d.unlink("moved"),
    "rmdir of an emptied directory": lambda d: d.rmdir("emptied"),
    "rmdir of a base directory": lambda d: d.rmdir("nothing"),
    "rmdir of a directory that hides another": lambda d: d.rmdir("plain"),
    "mkdir in a base directory": lambda d: d.mkdir("data/deep/new"),
    "move a base file": lambda d: d.rename("data/one", "new/one"),
    "move a base file over a new one": lambda d: d.rename("data/one", "own"),
    "move a base file over a base file": lambda d: d.rename("data/one", "other"),
    "move a moved file back": lambda d: d.rename("moved", "away"),
    "move a base symlink": lambda d: d.rename("pointer", "data/pointer"),
    "move a base directory": lambda d: d.rename("data", "new/data"),
    "move a base directory deeper": lambda d: d.rename("data/deep", "deep"),
    "move a base directory over an emptied one": lambda d: d.rename("data", "emptied"),
    "move a base directory over an empty one": lambda d: d.rename("data", "nothing"),
    "move a new directory over an emptied one": lambda d: d.rename("new", "emptied"),
    "move a new directory over an empty one of the base": lambda d: d.rename("new", "nothing"),
    "move an emptied directory": lambda d: d.rename("emptied", "data/deep/emptied"),
    "move a moved directory": lambda d: d.rename("new/taken", "taken"),
    "move a directory that hides another": lambda d: d.rename("plain", "new/plain"),
    "move a new file over a base file": lambda d: d.rename("own", "data/deep/three"),
    "move a copied-up file": lambda d: d.rename("file", "data/three"),
    "move a copied-up file over a base file": lambda d: d.rename("file", "data/one"),
    "exchange base files": lambda d: d.rename("data/one", "other", RENAME_EXCHANGE),
    "exchange directories": lambda d: d.rename("data/deep", "new", RENAME_EXCHANGE),
    "exchange a directory with a file": lambda d: d.rename("data", "other", RENAME_EXCHANGE),
}


def stages(folder: Path, operation: Operation, tmp_path: Path) -> list[dict[str, Node]]:
    """The trees before, and after each host operation that changes something, as a fresh process sees them."""
    trees = []
    for step in range(200):
        copy = tmp_path / f"copy-{step}"
        shutil.copytree(folder, copy, symlinks=True)
        pristine = make_like(copy)
        dying = StagingDirectory(copy, pristine.artifact, pristine.base, host=CrashingHost(step))
        try:
            operation(dying)
        except Crash:
            finished = False
        else:
            finished = True
        dying.close()
        after = StagingDirectory(copy, pristine.artifact, pristine.base, host=HOST)
        after.fsync_directory("")
        trees.append(tree_of(after))
        after.close()
        shutil.rmtree(copy)
        if finished:
            return trees
    raise AssertionError("the operation does not end")


def make_like(folder: Path) -> StagingDirectory:
    """The directory in `folder` over the base of these tests."""
    pattern = make_directory(folder.with_name(folder.name + "-pattern"), BASE)
    pattern.close()
    return StagingDirectory(folder, pattern.artifact, pattern.base)


@pytest.mark.parametrize("name", OPERATIONS)
def test_crash_at_any_step_loses_nothing_and_brings_nothing_back(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    prepare(folder)
    trees = stages(folder, OPERATIONS[name], tmp_path)
    before, after = trees[0], trees[-1]
    assert before != after or name in {"overwrite a base file", "touch a base symlink"}
    kept = contents(before) & contents(after)
    for step, tree in enumerate(trees):
        for path, node in tree.items():
            known = {whole[path][:3] for whole in (before, after) if path in whole}
            assert node[:3] in known, f"{name}, step {step}: {path} is {node}, which it neither was nor is to be"
        for path in before.keys() & after.keys():
            assert path in tree, f"{name}, step {step}: {path} is missing"
        assert kept <= contents(tree), f"{name}, step {step}: lost {kept - contents(tree)}"


def contents(tree: dict[str, Node]) -> set[bytes | str]:
    return {node[2] for node in tree.values() if node[0] == "file"}
