"""What is below a version: directories, files and symlinks that never change (I2).

Files and symlinks of the same content, time and mode are one node wherever they are, so that an unchanged file of `v7` is in the
page cache already when it was read from `v6`; a directory belongs to its view. Where a run reads, nodes belong to a version.
References are files, the same where their URI and what was recorded of it is the same: they are read from their server (I9).
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence

from artfs.errors import IntegrityError, PackMissing
from artfs.model.entry import Entry, Kind
from artfs.references.protocol import Piece
from artfs.vfs.attributes import (
    FOREVER_S,
    NEVER_S,
    SYMLINK_MODE,
    VERSION_DIRECTORY_MODE,
    VERSION_EXECUTABLE_MODE,
    VERSION_FILE_MODE,
    Attributes,
    Changes,
)
from artfs.vfs.node import Listed, Node, OpenFile, origin_of_entry
from artfs.vfs.reading import ContentReading
from artfs.vfs.views import View

_DIRECTORY_SIZE = 4096


class VersionDirectory(Node):
    """A directory of a version, or its root (`path` is empty then)."""

    __slots__ = ("_reading", "path", "view")
    is_immutable = True
    is_quick = True

    def __init__(self, reading: ContentReading, view: View, path: str) -> None:
        self._reading = reading
        self.view = view
        self.path = path

    @property
    def key(self) -> Hashable:
        return ("directory", self.view.serial, self.path)

    @property
    def missing_timeout_s(self) -> float:
        return FOREVER_S

    @property
    def where(self) -> str:
        return f"{self.view.where}/{self.path}".strip("/")

    def attributes(self) -> Attributes:
        # The name of the root can move or go away; names below it cannot.
        timeout_s = FOREVER_S if self.path else self.view.name_timeout_s()
        return Attributes(VERSION_DIRECTORY_MODE, _DIRECTORY_SIZE, self.view.mtime_ns, timeout_s, FOREVER_S, blocks=0)

    def lookup(self, name: str) -> Node | None:
        path = f"{self.path}/{name}" if self.path else name
        try:
            path.encode()
        except UnicodeEncodeError:  # no entry has such a name
            return None
        entry = self.view.manifest.get(path)
        return None if entry is None else self._child(entry)

    def list(self) -> Sequence[Listed]:
        listed = []
        for entry in self.view.manifest.list(self.path):
            node = self._child(entry)
            listed.append(Listed(entry.name, node, node.glance()))
        return listed

    def _child(self, entry: Entry) -> VersionDirectory | VersionFile | VersionSymlink:
        if entry.kind is Kind.DIRECTORY:
            return VersionDirectory(self._reading, self.view, entry.path)
        if entry.kind is Kind.SYMLINK:
            return VersionSymlink(self._reading, self.view, entry)
        if entry.reference is None:
            return VersionFile(self._reading, self.view, entry)
        node_class = UnsizedReference if entry.reference.size is None else VersionReference
        return node_class(self._reading, self.view, entry)


class _Leaf(Node):
    """What files and symlinks have in common: an entry, and the view through which it was found last."""

    __slots__ = ("_reading", "entry", "view")
    is_immutable = True
    is_quick = True

    def __init__(self, reading: ContentReading, view: View, entry: Entry) -> None:
        self._reading = reading
        self.view = view
        self.entry = entry

    @property
    def key(self) -> Hashable:
        entry = self.entry
        # A run must be told through which version it has read: then versions share nothing.
        version_id = self.view.version.id if self._reading.touched.run_id is not None else None
        return (entry.kind, entry.digest, entry.mtime_ns, entry.executable, version_id)

    @property
    def where(self) -> str:
        return f"{self.view.where}/{self.entry.path}".lstrip("/")

    def latest_of(self, other: Node) -> None:
        # The chunks of equal content may lie in other packs, and these outlive the ones of a deleted version.
        if isinstance(other, _Leaf):
            self.view = other.view
            self.entry = other.entry

    def change(self, changes: Changes, file: OpenFile | None) -> Attributes:
        raise self.refuse_change()


class VersionFile(_Leaf):
    """A file. Reading needs no state: the handle is the inode number."""

    __slots__ = ()

    @property
    def size(self) -> int:
        """Bytes, as far as that is known without asking a server."""
        return self.entry.size

    def attributes(self) -> Attributes:
        return self._sized(self.entry.size)

    def _sized(self, size: int, attr_timeout_s: float = FOREVER_S) -> Attributes:
        entry = self.entry
        mode = VERSION_EXECUTABLE_MODE if entry.executable else VERSION_FILE_MODE
        return Attributes(mode, size, entry.mtime_ns, FOREVER_S, attr_timeout_s)

    def open(self, flags: int) -> OpenFile | None:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            raise self.refuse_change()
        return None

    def read(self, offset: int, length: int) -> Piece:
        return self._read(self.entry.size, offset, length)

    def read_now(self, offset: int, length: int) -> Piece | None:
        """What `read` would return, if it is in memory. Never waits for more than a short lock."""
        data = self._reading.reader.read_now(self.entry, offset, length)
        return data if data is not None and len(data) == max(0, min(length, self.size - offset)) else None

    def _read(self, size: int, offset: int, length: int) -> Piece:
        if offset >= size or length <= 0:
            return b""
        data = self._read_entry(offset, length)
        if len(data) != min(length, size - offset):
            raise IntegrityError(f"{self.where} is shorter than its manifest says: run 'artfs verify --read-data'")
        return data

    def _read_entry(self, offset: int, length: int) -> Piece:
        try:
            return self._reading.reader.read_piece(self.entry, offset, length, self._following)
        except PackMissing:
            # The chunk store knows where chunks were moved to, but the chunk lists of a long file were written anew.
            moved = self.view.manifest.look_again(self.entry.path)
            if moved is None or moved.content == self.entry.content:
                raise
            self.entry = moved
        return self._reading.reader.read_piece(self.entry, offset, length, self._following)

    def _following(self) -> Iterator[Entry]:
        """What a program reads next that goes through the directory in order."""
        return self.view.manifest.iter_after(self.entry.path)


class VersionReference(VersionFile):
    """A file whose bytes are left at a URI, of the size that was recorded."""

    __slots__ = ()

    @property
    def origin(self) -> str | None:
        return origin_of_entry(self.entry)


class UnsizedReference(VersionReference):
    """One of which no size was recorded: its server is asked once, when somebody first wants to know or to read.

    Until then names tell the kernel a size of 0 that it may not keep, so that it asks for the attributes before it opens the file.
    """

    __slots__ = ()
    is_quick = False

    @property
    def size(self) -> int:
        return self._reading.reader.known_size(self.entry) or 0

    @property
    def asks(self) -> str | None:
        return self.origin if self._reading.reader.known_size(self.entry) is None else None

    def attributes(self) -> Attributes:
        return self._sized(self._reading.reader.size(self.entry))

    def glance(self) -> Attributes:
        size = self._reading.reader.known_size(self.entry)
        return self._sized(0, NEVER_S) if size is None else self._sized(size)

    def read(self, offset: int, length: int) -> Piece:
        return self._read(self._reading.reader.size(self.entry), offset, length)


class VersionSymlink(_Leaf):
    """A symlink of a version."""

    __slots__ = ()

    def attributes(self) -> Attributes:
        return Attributes(SYMLINK_MODE, self.entry.size, self.entry.mtime_ns, FOREVER_S, FOREVER_S, blocks=0)

    def readlink(self) -> str:
        return self.entry.target
