"""A file that is open in a staging directory.

It has a descriptor of the host file system, or none while its bytes are still those of the base version: these are read through the
content reader, so that reading copies nothing. When somebody writes to the file meanwhile, the next read sees that and opens it.
Any thread.
"""

from __future__ import annotations

import errno
import os
import threading

from artfs.vfs.attributes import Changes
from artfs.vfs.node import origin_of_entry, os_error
from artfs.vfs.staged_tree import StagedItem, StagedTree
from artfs.vfs.staging.stat import StagedStat, stat_of_upper


class OpenStagedFile:
    """Open file of `item`; either `fd` or `base`, which is what the file was when it was opened."""

    __slots__ = ("_base", "_fd", "_item", "_lock", "_tree", "is_writable")
    direct_io = False
    #: What the kernel has of it may be older than what was written through another mount of this directory.
    keep_cache = False

    def __init__(self, tree: StagedTree, item: StagedItem, fd: int | None, base: StagedStat | None, *, writing: bool) -> None:
        self._tree = tree
        self._item = item
        self._fd = fd
        self._base = base
        self._lock = threading.Lock()
        self.is_writable = writing
        tree.file_opened(item, self)

    @property
    def origin(self) -> str | None:
        base = self._base
        return origin_of_entry(base.reference if base is not None and self._fd is None else None)

    def read(self, offset: int, length: int) -> bytes:
        if self._fd is None:
            data = self._read_base(offset, length)
            if data is not None:
                return data
        return os.pread(self.fd(), length, offset)

    def _read_base(self, offset: int, length: int) -> bytes | None:
        """Bytes of the base, or None when the file has a descriptor by now."""
        with self._tree.gate.using_paths():
            if self._item.paths:
                self.remember(self._tree.directory.stat(self._item.paths[0]))
        base = self._base
        if self._fd is not None or base is None or base.entry is None or self._tree.directory.base is None:
            return None
        reader = self._tree.directory.base.reader
        if offset >= reader.size(base.entry):
            return b""
        return reader.read(base.entry, offset, length)

    def remember(self, now: StagedStat) -> None:
        """`now` is what the file is, while it still has a name: get a descriptor if it is no longer the base's."""
        with self._lock:
            if self._fd is None and now.entry is None and self._item.paths:
                self._fd = self._tree.directory.open(self._item.paths[0], os.O_RDONLY)
            elif now.entry is not None:
                self._base = now

    def fd(self) -> int:
        """The descriptor. EBADF when there is none."""
        if self._fd is None:
            raise os_error(errno.EBADF, self._tree.name)
        return self._fd

    def stat(self) -> StagedStat:
        """What fstat(2) says; for a file that has no name any more."""
        if self._fd is None and self._base is not None:
            return self._base._replace(nlink=0)
        return stat_of_upper(os.fstat(self.fd()))

    def reopen(self, flags: int) -> int:
        """Another descriptor of the same file, for whoever opens it when it has no name any more."""
        if self._fd is None:
            raise os_error(errno.ENOENT, self._tree.name)
        return os.open(f"/proc/self/fd/{self._fd}", flags & ~(os.O_CREAT | os.O_EXCL) | os.O_CLOEXEC)

    def write(self, offset: int, data: bytes) -> int:
        fd, rest = self.fd(), memoryview(data)
        try:
            while rest:
                written = os.pwrite(fd, rest, offset)
                offset += written
                rest = rest[written:]
        except OSError:
            if len(rest) == len(data):
                raise
            # What is written is written, as write(2) says of a disk that is full halfway: the next write will fail.
        finally:
            self._tree.changed()
        return len(data) - len(rest)

    def truncate(self, size: int) -> None:
        os.ftruncate(self.fd(), size)

    def change(self, changes: Changes) -> None:
        """fchmod and futimens."""
        if changes.mode is not None:
            os.fchmod(self.fd(), changes.mode & 0o7777)
        if changes.atime_ns is not None or changes.mtime_ns is not None:
            status = os.fstat(self.fd())
            atime_ns = status.st_atime_ns if changes.atime_ns is None else changes.atime_ns
            mtime_ns = status.st_mtime_ns if changes.mtime_ns is None else changes.mtime_ns
            os.utime(self.fd(), ns=(atime_ns, mtime_ns))

    def fsync(self, *, data_only: bool) -> None:
        if self._fd is None:
            return
        with self._tree.gate.using_paths():
            path = self._item.paths[0] if self._item.paths else None
            self._tree.directory.fsync(self._fd, path, data_only=data_only)

    def let_go(self) -> None:
        if self.is_writable:
            self._tree.writer_closes()

    def close(self) -> None:
        self._tree.file_closed(self._item, self)
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
                self._base = None
