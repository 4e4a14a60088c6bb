"""What a path in a staging directory is: the values that stat(2) and readdirplus need. Values only."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from artfs.model.entry import Entry, Kind

_FILE_MODE = stat.S_IFREG | 0o644
_EXECUTABLE_MODE = stat.S_IFREG | 0o755
_DIRECTORY_MODE = stat.S_IFDIR | 0o755
_SYMLINK_MODE = stat.S_IFLNK | 0o777
_BLOCK_SIZE = 512


class StagedStat(NamedTuple):
    """`mode` has the type bits too; sizes are bytes, `blocks` are of 512.

    `host_ino` is the inode number on the host file system and 0 while the bytes are those of the base; two names with the same
    number are hard links. `entry` is what the base says of a file whose bytes are still those of the base: read it through the
    content reader, so that nothing is copied. A reference is a file too, of size 0 while nobody knows it. `target` is that of a
    symlink. Directories have nlink 1, which tells find(1) and others that the number says nothing.
    """

    kind: Kind
    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    atime_ns: int
    nlink: int
    host_ino: int
    blocks: int
    target: str | None = None
    entry: Entry | None = None

    @property
    def reference(self) -> Entry | None:
        """`entry` if it is a reference."""
        return self.entry if self.entry is not None and self.entry.kind is Kind.REFERENCE else None


def stat_of_upper(status: os.stat_result, target: str | None = None) -> StagedStat:
    """Of what is in upper as itself; `target` for a symlink."""
    mode = status.st_mode
    kind, size, nlink = Kind.FILE, status.st_size, status.st_nlink
    if stat.S_ISDIR(mode):
        kind, nlink = Kind.DIRECTORY, 1
    elif target is not None:
        kind, size = Kind.SYMLINK, len(target.encode(errors="surrogateescape"))
    return StagedStat(
        kind,
        mode,
        size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_atime_ns,
        nlink,
        status.st_ino,
        status.st_blocks,
        target,
    )


def makes_executable(mode: int) -> bool:
    """True for the permission bits of what a version calls executable."""
    return bool(mode & stat.S_IXUSR)


def mode_of_entry(entry: Entry) -> int:
    """The mode a base entry has in staging: writable, as everything there."""
    if entry.kind is Kind.DIRECTORY:
        return _DIRECTORY_MODE
    if entry.kind is Kind.SYMLINK:
        return _SYMLINK_MODE
    return _EXECUTABLE_MODE if entry.executable else _FILE_MODE


def stat_of_entry(entry: Entry, directory_mtime_ns: int, placeholder: os.stat_result | None = None) -> StagedStat:
    """Of what still is in the base; `placeholder` is its stand-in in upper, if it was moved."""
    mtime_ns = directory_mtime_ns if entry.kind is Kind.DIRECTORY else entry.mtime_ns
    return StagedStat(
        # A file like any other: it stays one, and the same inode, when something is written to it.
        Kind.FILE if entry.kind is Kind.REFERENCE else entry.kind,
        mode_of_entry(entry),
        entry.size,
        mtime_ns,
        placeholder.st_ctime_ns if placeholder else mtime_ns,
        mtime_ns,
        1,
        0,
        -(-entry.size // _BLOCK_SIZE),
        entry.target if entry.kind is Kind.SYMLINK else None,
        entry if entry.kind in (Kind.FILE, Kind.REFERENCE) else None,
    )
