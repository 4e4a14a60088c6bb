"""The lock on the folder of a staging directory: one process changes or commits it at a time.

flock(2) on the folder itself, so that it ends with the process and leaves no file behind. Two `FolderLock` of one process exclude
each other too. Any thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from artfs.errors import Busy
from artfs.vfs.staging.layout import os_error


class FolderLock:
    """Held from `acquire` on until `release`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        status = os.fstat(self._fd)
        self._identity = (status.st_dev, status.st_ino)
        self.held = False

    def check_same_folder(self) -> None:
        """Raise ENOENT when another folder is at the path by now: this one was committed or removed by somebody else."""
        if self._fd < 0:
            raise os_error(errno.ENOENT, str(self._folder))
        status = self._folder.stat()
        if (status.st_dev, status.st_ino) != self._identity:
            raise os_error(errno.ENOENT, str(self._folder))

    def acquire(self) -> None:
        """Take the lock, or raise Busy at once."""
        self.check_same_folder()
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"the staging directory {self._folder} is being changed or committed by another process:"
                " unmount the other mount or wait until the commit is done"
            ) from None
        try:
            self.check_same_folder()
        except OSError:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            raise
        self.held = True

    def release(self) -> None:
        """Give the lock back and forget the folder. Nothing happens the second time."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self.held = False
