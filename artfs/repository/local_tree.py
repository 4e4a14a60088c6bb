"""A local directory that versions are copied into and compared with, walked so that nothing outside of it is ever touched.

Every directory is opened component by component without following symlinks, and every file is reached by its name in an open
directory: a symlink that somebody has put in the place of a directory cannot lead elsewhere, not even if it appears meanwhile. The
root itself may be a symlink: that is the caller's choice.

Knows nothing of versions. Thread-safe: all state is the descriptor of the root.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from artfs.errors import AlreadyExists, ArtfsError, StoreFull, UserError
from artfs.model.digest import Digest, Digester

_READ_SIZE = 1024 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Temporary files are hidden and say whose they are; one is left behind only by a killed process.
TEMPORARY_PREFIX = ".artfs-download-"


class LocalTree:
    """A directory. With `create`, it is made when it is not there."""

    def __init__(self, root: Path, *, create: bool = False) -> None:
        self.root = root
        with explained(root):
            if root.exists() and not root.is_dir():
                raise UserError(f"{root} is a file: choose a directory")
            if create:
                root.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def directory(self, path: str) -> Iterator[int]:
        """A descriptor of the directory at `path`; FileNotFoundError or NotADirectoryError when there is none."""
        fd = os.dup(self._fd)
        try:
            for name in path.split("/") if path else ():
                child = os.open(name, _DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = child
            yield fd
        finally:
            os.close(fd)

    def make_directory(self, path: str) -> None:
        """Make the directory at `path` and those above it; a file or symlink that is in the way is replaced."""
        fd = os.dup(self._fd)
        try:
            for name in path.split("/"):
                child = _ensure_directory(name, fd)
                os.close(fd)
                fd = child
        finally:
            os.close(fd)


def _ensure_directory(name: str, parent: int) -> int:
    for _ in range(100):  # bounded: somebody may be putting things in the way all the time
        try:
            return os.open(name, _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            with suppress(FileExistsError):  # another thread was faster
                os.mkdir(name, dir_fd=parent)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)


def remove_any(name: str, directory: int) -> None:
    """Remove what is called `name` in `directory`, with all below it. Symlinks are removed, not followed."""
    try:
        is_directory = stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
        if is_directory:
            shutil.rmtree(name, dir_fd=directory)
        else:
            os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass


def open_file(name: str, directory: int) -> int:
    """A descriptor to read what is called `name` in `directory`, if it is no symlink."""
    # O_NONBLOCK: a pipe put here since it was looked at must not block the open.
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)


def digest_of_file(name: str, directory: int) -> Digest:
    """The digest of the bytes of the file that is called `name` in `directory`."""
    digester = Digester()
    with open(open_file(name, directory), "rb", buffering=0) as file:
        while data := file.read(_READ_SIZE):
            digester.update(data)
    return digester.digest()


def put_in_place(name: str, directory: int, make: Callable[[str], None]) -> None:
    """Let `make` make something under a temporary name in `directory`, then rename it over `name`: readers see old or new."""
    temporary = f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        make(temporary)
        _rename_over(temporary, name, directory)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _rename_over(temporary: str, name: str, directory: int) -> None:
    try:
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except IsADirectoryError:
        try:
            os.rmdir(name, dir_fd=directory)
        except OSError as error:
            raise AlreadyExists(
                f"{name!r} is a directory that holds files of its own where the version has a file: move it away, or use checkout"
            ) from error
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system says about the user's own directory into one sentence about `path`."""
    try:
        yield
    except ArtfsError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(f"there is no space left to write {path}: free some and try again") from error
        raise UserError(f"{path} cannot be used: {error.strerror or error}") from error
