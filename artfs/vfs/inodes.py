"""The inode table: which number the kernel has for which node, and how often it was told.

Not thread-safe: only the event loop's thread touches it, and no method waits, so that a count always belongs to a reply that is
about to be sent. The kernel counts how often it was given an inode (lookup, create, mkdir, symlink, link and each entry of
readdirplus but `.` and `..`) and takes the count back with forget; at zero the number is gone for good. Numbers are never used
again, so that no generation is needed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from artfs.vfs.node import Node

ROOT_INO = 1


class Inode:
    """One inode: its number, its node, and the kernel's lookup count. `reply` is for the adapter to keep a prepared answer in."""

    __slots__ = ("ino", "lookups", "node", "reply")

    def __init__(self, ino: int, node: Node) -> None:
        self.ino = ino
        self.node = node
        self.lookups = 0
        self.reply: Any = None


class InodeTable:
    """All inodes that the kernel knows. The root is there from the first to the last moment."""

    def __init__(self, root: Node) -> None:
        inode = Inode(ROOT_INO, root)
        inode.lookups = 1
        self._inodes = {ROOT_INO: inode}
        self._by_key: dict[Hashable, Inode] = {root.key: inode}
        self._next = ROOT_INO + 1

    def __len__(self) -> int:
        return len(self._inodes)

    def get(self, ino: int) -> Inode | None:
        """The inode of that number, or None when the kernel has forgotten it."""
        return self._inodes.get(ino)

    def find(self, key: Hashable) -> Inode | None:
        """The inode of the node with that key, if the kernel knows it."""
        return self._by_key.get(key)

    def admit(self, node: Node) -> Inode:
        """The inode for a node that is about to be given to the kernel: counted once more."""
        key = node.key
        inode = self._by_key.get(key)
        if inode is None:
            inode = Inode(self._next, node)
            self._next += 1
            self._inodes[inode.ino] = inode
            self._by_key[key] = inode
        elif inode.node is not node:
            inode.node.latest_of(node)
        inode.lookups += 1
        return inode

    def forget(self, counts: Iterable[tuple[int, int]]) -> None:
        """The kernel takes back (number, count) each."""
        for ino, count in counts:
            inode = self._inodes.get(ino)
            if inode is None:
                continue
            inode.lookups -= count
            if inode.lookups <= 0 and ino != ROOT_INO:
                del self._inodes[ino]
                key = inode.node.key
                if self._by_key.get(key) is inode:
                    del self._by_key[key]
