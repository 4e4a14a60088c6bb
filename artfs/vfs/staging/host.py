"""The operations of the host file system that staging is made of, in one object so that a test can count them or cut them off.

No more than `os` with one call added. Any thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager

from artfs.vfs.staging.layout import os_error

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
#: None with a C library that lacks it.
_RENAMEAT2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


class Host:
    """Calls of `os`, and renameat2, which `os` lacks. All raise OSError."""

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    fstat = staticmethod(os.fstat)
    fchmod = staticmethod(os.fchmod)
    fsync = staticmethod(os.fsync)
    ftruncate = staticmethod(os.ftruncate)
    lstat = staticmethod(os.lstat)
    readlink = staticmethod(os.readlink)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    rename = staticmethod(os.rename)
    symlink = staticmethod(os.symlink)
    link = staticmethod(os.link)
    chmod = staticmethod(os.chmod)
    utime = staticmethod(os.utime)

    def scandir(self, path: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        return os.scandir(path)

    def exchange(self, first: str, second: str) -> None:
        """Swap two names in one step. EINVAL where the host file system cannot."""
        if _RENAMEAT2 is None:
            raise os_error(errno.EINVAL, first)
        failed = _RENAMEAT2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
        if failed:
            raise os_error(ctypes.get_errno(), first)


HOST = Host()
