"""The few calls by which a local store changes files, and what their errors mean.

They are named here so that a test can hand in a double that records the calls, or ends the process' life between two of them.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from typing_extensions import Buffer

from artfs.errors import ArtfsError, StoreFull, StoreUnavailable

#: IOV_MAX of Linux is 1024.
_PIECES_PER_CALL = 1024
#: A first piece of this size is written past the page cache; docs/decisions/0005-direct-writes.md has the figures.
DIRECT_FROM = 1 << 20
#: What direct writes have to be multiples of: the largest logical sector in use, and the page.
_ALIGNMENT = 4096
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class FileSystem(Protocol):
    """What a local store needs of the module `os`; each does what the function there does."""

    def open(self, path: Path, flags: int, mode: int = 0o777, /) -> int: ...
    def writev(self, fd: int, buffers: Sequence[Buffer], /) -> int: ...
    def fsync(self, fd: int, /) -> None: ...
    def rename(self, src: Path, dst: Path, /) -> None: ...
    def mkdir(self, path: Path, mode: int = 0o777, /) -> None: ...
    def rmdir(self, path: Path, /) -> None: ...
    def unlink(self, path: Path, /) -> None: ...


def write_all(file_system: FileSystem, descriptor: int, data: Sequence[Buffer]) -> None:
    """Write the pieces one after the other into a new file, many with one call and none copied."""
    waiting = [view for view in (memoryview(piece).cast("B") for piece in data) if view.nbytes]
    if waiting and waiting[0].nbytes >= DIRECT_FROM:
        waiting[0] = waiting[0][_write_direct(file_system, descriptor, waiting[0]) :]
        waiting = [view for view in waiting if view.nbytes]
    first = 0
    while first < len(waiting):
        written = file_system.writev(descriptor, waiting[first : first + _PIECES_PER_CALL])
        while first < len(waiting) and written >= waiting[first].nbytes:
            written -= waiting[first].nbytes
            first += 1
        if written:
            waiting[first] = waiting[first][written:]


def _write_direct(file_system: FileSystem, descriptor: int, view: memoryview) -> int:
    """Write as much of `view` as the disk takes straight from memory; returns how much that was, and writes nothing else.

    Nothing at all where the file system cannot do it (tmpfs, some overlays) or the memory is not aligned, and not the tail, which
    fills no sector. After a short write the next one may be out of line: then the rest is for the page cache, too.
    """
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
    except OSError:
        return 0
    whole = view.nbytes - view.nbytes % _ALIGNMENT
    written = 0
    try:
        while written < whole:
            written += file_system.writev(descriptor, [view[written:whole]])
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
    return written


def sync_folder(file_system: FileSystem, folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    descriptor = file_system.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        file_system.fsync(descriptor)
    finally:
        os.close(descriptor)


def explain(error: OSError, verb: str, path: Path) -> ArtfsError:
    """The error of ours that says what `error` means for the object at `path`."""
    if error.errno in _FULL:
        what = "the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up"
        return StoreFull(f"cannot {verb} {path}: {what}; free some space (`artfs gc` removes what no version needs) and try again")
    return StoreUnavailable(f"cannot {verb} {path}: {error.strerror or error}; check the folder's permissions and its disk")
