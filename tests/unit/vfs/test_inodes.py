from __future__ import annotations

from collections.abc import Hashable

from artfs.vfs.inodes import ROOT_INO, InodeTable
from artfs.vfs.node import Node


class Named(Node):
    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def key(self) -> Hashable:
        return self.name


def test_equal_keys_share_an_inode_until_it_is_forgotten() -> None:
    table = InodeTable(Named("root"))
    first = table.admit(Named("a"))
    assert table.admit(Named("a")) is first
    assert table.admit(Named("b")) is not first
    table.forget([(first.ino, 1)])
    assert table.get(first.ino) is first
    table.forget([(first.ino, 1)])
    assert table.get(first.ino) is None
    assert table.admit(Named("a")).ino > first.ino


def test_the_root_is_never_forgotten() -> None:
    table = InodeTable(Named("root"))
    table.forget([(ROOT_INO, 100)])
    assert table.get(ROOT_INO) is not None
    assert table.find("root") is table.get(ROOT_INO)


def test_forgetting_what_is_not_there_does_nothing() -> None:
    table = InodeTable(Named("root"))
    table.forget([(77, 1)])
    assert len(table) == 1
