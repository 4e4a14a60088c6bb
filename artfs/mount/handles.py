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
#: More than what has room in the reply to getdents(2) of the C library.
_ROWS_AT_ONCE = 256


@dataclass(slots=True)
class OpenListing:
    """An open directory: its names as of the first request for them, and what each is as of the request that asks.

    The kernel believes the attributes in a reply when nothing has changed since it asked: a size from before a write would become
    that of the file, and the next append would go into the middle of it.
    """

    node: Node
    _listed: Sequence[Listed] | None = None
    _state: object = None

    def rows_from(self, first: int) -> Sequence[tuple[int, Listed]]:
        """Some rows from number `first` on, with their numbers; none only at the end. Blocks; number 0 begins anew."""
        if self._listed is None or first == 0:
            self._state = self.node.state
            self._listed = self.node.list()
            return list(enumerate(self._listed))[first:]
        for start in range(first, len(self._listed), _ROWS_AT_ONCE):
            rows = self._listed[start : start + _ROWS_AT_ONCE]
            if self._state is None or self.node.state is not self._state:
                now = [(number, self.node.look_again(row)) for number, row in enumerate(rows, start)]
            else:
                now = list(enumerate(rows, start))
            found = [(number, row) for number, row in now if row is not None]
            if found:
                return found
        return []


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

    def node(self, handle: int) -> Node:
        """What the handle of a file or a directory is open on."""
        return self._listings[handle].node if handle in self._listings else self._file(handle)[0]

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
