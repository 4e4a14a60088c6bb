"""What stat(2) shows of a node, and how long the kernel may believe it. Values only."""

from __future__ import annotations

import stat
from typing import NamedTuple

#: How long the kernel may keep what never changes: ten years, as the kernel counts in jiffies and caps them.
FOREVER_S = 315_360_000.0
#: How long the kernel may keep a name that can move. What this mount moves itself it tells the kernel at once.
MOVABLE_S = 1.0
#: For what must be asked again each time.
NEVER_S = 0.0

_BLOCK_SIZE = 512
VERSION_DIRECTORY_MODE = stat.S_IFDIR | 0o555
VERSION_FILE_MODE = stat.S_IFREG | 0o444
VERSION_EXECUTABLE_MODE = stat.S_IFREG | 0o555
SYMLINK_MODE = stat.S_IFLNK | 0o777
WRITABLE_DIRECTORY_MODE = stat.S_IFDIR | 0o755


class Attributes(NamedTuple):
    """`mode` has the type bits too, `size` is in bytes, timeouts are in seconds.

    `entry_timeout_s` is about the name, `attr_timeout_s` about everything else here. Directories have nlink 1, which tells find(1)
    and others that the number says nothing about subdirectories. `blocks` is None where it follows from the size.
    """

    mode: int
    size: int
    mtime_ns: int
    entry_timeout_s: float
    attr_timeout_s: float
    nlink: int = 1
    ctime_ns: int | None = None
    atime_ns: int | None = None
    blocks: int | None = None

    @property
    def block_count(self) -> int:
        """Blocks of 512 bytes, which du(1) counts."""
        return -(-self.size // _BLOCK_SIZE) if self.blocks is None else self.blocks


class Changes(NamedTuple):
    """What setattr asks for; None means: leave it. Times are nanoseconds since the epoch. An owner never changes."""

    mode: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None
