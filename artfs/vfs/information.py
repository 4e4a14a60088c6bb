"""Information files: generated, read-only, and computed when they are looked at.

They say in a form that `cat` and programs read what has no place in a directory tree. A file's size is that of its content at the
moment; the content that is read is that of the moment of opening. Any thread.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Hashable, Sequence

from artfs.errors import ReadOnly
from artfs.model.names import MOUNT_FOLDER
from artfs.vfs.attributes import FOREVER_S, MOVABLE_S, NEVER_S, VERSION_DIRECTORY_MODE, VERSION_FILE_MODE, Attributes, Changes
from artfs.vfs.node import Listed, Node, OpenFile, os_error

INFORMATION_NAME = MOUNT_FOLDER


class InformationDirectory(Node):
    """`.artfs/`. `names` says what is in it now, `find` gives the content of one, or None."""

    __slots__ = ("_find", "_mtime_ns", "_names", "_where")
    is_quick = True

    def __init__(self, where: str, names: Callable[[], Sequence[str]], find: Callable[[str], Callable[[], bytes] | None]) -> None:
        self._where = where
        self._names = names
        self._find = find
        self._mtime_ns = time.time_ns()

    @property
    def key(self) -> Hashable:
        return ("information", self._where)

    @property
    def missing_timeout_s(self) -> float:
        return MOVABLE_S

    @property
    def where(self) -> str:
        return self._where

    def joined(self, other: InformationDirectory) -> InformationDirectory:
        """A directory with the files of both; those of this one go first."""
        return InformationDirectory(
            self._where,
            lambda: [*self._names(), *other._names()],
            lambda name: self._find(name) or other._find(name),
        )

    def refuse_change(self) -> Exception:
        return ReadOnly(f"{self._where} is generated and cannot be changed")

    def attributes(self) -> Attributes:
        return Attributes(VERSION_DIRECTORY_MODE, 0, self._mtime_ns, FOREVER_S, FOREVER_S)

    def lookup(self, name: str) -> Node | None:
        produce = self._find(name)
        return None if produce is None else InformationFile(f"{self._where}/{name}", produce)

    def list(self) -> Sequence[Listed]:
        # Sizes would cost a look at everything: timeouts of 0 make the kernel ask for those that somebody wants.
        attributes = Attributes(VERSION_FILE_MODE, 0, time.time_ns(), NEVER_S, NEVER_S)
        found = ((name, self.lookup(name)) for name in self._names())
        return [Listed(name, node, attributes) for name, node in found if node is not None]


class InformationFile(Node):
    """One generated file."""

    __slots__ = ("_produce", "_where")

    def __init__(self, where: str, produce: Callable[[], bytes]) -> None:
        self._where = where
        self._produce = produce

    @property
    def key(self) -> Hashable:
        return ("information", self._where)

    @property
    def where(self) -> str:
        return self._where

    def refuse_change(self) -> Exception:
        return ReadOnly(f"{self._where} is generated and cannot be changed")

    def attributes(self) -> Attributes:
        return Attributes(VERSION_FILE_MODE, len(self._produce()), time.time_ns(), MOVABLE_S, NEVER_S)

    def open(self, flags: int) -> OpenFile:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            raise self.refuse_change()
        return OpenInformation(self._produce())

    def change(self, changes: Changes, file: OpenFile | None) -> Attributes:
        raise self.refuse_change()


class OpenInformation:
    """Content as of the moment of opening, past the kernel's cache, which knows another size."""

    __slots__ = ("_content",)
    direct_io = True
    keep_cache = False
    origin = None

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]

    def write(self, offset: int, data: bytes) -> int:
        raise os_error(errno.EROFS, INFORMATION_NAME)

    def fsync(self, *, data_only: bool) -> None:
        """Nothing was written."""

    def let_go(self) -> None:
        """Nobody counts."""

    def close(self) -> None:
        """Nothing is held."""
