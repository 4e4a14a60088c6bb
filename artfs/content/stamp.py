"""What tells that a local file is still the same. Values only; reads nothing."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple


class Stamp(NamedTuple):
    """Equal stamps mean equal content, up to the clock's resolution (see `memo`)."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int

    @property
    def executable(self) -> bool:
        """True if its owner may execute it."""
        return bool(self.mode & stat.S_IXUSR)


def stamp_of(found: os.stat_result) -> Stamp:
    """The stamp that stat(2) shows."""
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)
