"""All by which the cache changes its folder, so that tests can end or hinder it at each step. Any thread."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from typing_extensions import Buffer

#: What the system says where nothing more can be written.
FULL = (errno.ENOSPC, errno.EDQUOT)


class Disk:
    """The system calls that write. All raise OSError."""

    def create(self, path: str) -> int:
        """A new empty file, open for reading and writing. FileExistsError if there is one."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, buffers: Sequence[Buffer], offset: int) -> int:
        """Write the buffers one behind the other; how many bytes were written."""
        return os.pwritev(descriptor, buffers, offset)

    def let_go(self, descriptor: int, offset: int, length: int) -> None:
        """Have the kernel write these bytes to the disk soon, and forget those of them that it has written already."""
        if hasattr(os, "posix_fadvise"):  # not everywhere
            os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def unlink(self, path: str) -> None:
        os.unlink(path)  # noqa: PTH108 -- called for each file of a folder whose paths are text

    def rename(self, path: str, to: str) -> None:
        os.rename(path, to)  # noqa: PTH104 -- as above
