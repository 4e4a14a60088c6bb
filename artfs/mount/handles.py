"""Handles: what a file or directory is open under.

Below a version the handle is the inode number and nothing is kept. Everything else gets a number above all inode numbers and an
object that is kept until release. Only the event loop's thread touches the table.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass

from artfs.vfs.node import Listed, Node, OpenFile, os_error

_FIRST_HANDLE = 1 << 62


@dataclass(frozen=True, slots=True)
class OpenListing:
    """A directory as it was when it was opened."""

    node: Node
    listed: Sequence[Listed]


class HandleTable:
    """Open files and directories that need to be remembered."""

    def __init__(self) -> None:
        self._next = _FIRST_HANDLE
        self._files: dict[int, tuple[Node, OpenFile]] = {}
        self._listings: dict[int, OpenListing] = {}

    def __len__(self) -> int:
        return len(self._files) + len(self._listings)

    @staticmethod
    def is_inode(handle: int) -> bool:
        """True if the handle is an inode number."""
        return handle < _FIRST_HANDLE

    def add_file(self, node: Node, file: OpenFile) -> int:
        self._next += 1
        self._files[self._next] = (node, file)
        return self._next

    def add_listing(self, listing: OpenListing) -> int:
        self._next += 1
        self._listings[self._next] = listing
        return self._next

    def file(self, handle: int) -> OpenFile:
        return self._file(handle)[1]

    def file_node(self, handle: int) -> Node:
        return self._file(handle)[0]

    def _file(self, handle: int) -> tuple[Node, OpenFile]:
        try:
            return self._files[handle]
        except KeyError:
            raise os_error(errno.EBADF, "handle") from None

    def listing(self, handle: int) -> OpenListing:
        try:
            return self._listings[handle]
        except KeyError:
            raise os_error(errno.EBADF, "handle") from None

    def take_file(self, handle: int) -> OpenFile | None:
        """Forget an open file."""
        found = self._files.pop(handle, None)
        return found[1] if found else None

    def take_listing(self, handle: int) -> None:
        """Forget an open directory."""
        self._listings.pop(handle, None)

    def open_files(self) -> list[OpenFile]:
        """All files that are open, for the end of the mount."""
        return [file for _, file in self._files.values()]
