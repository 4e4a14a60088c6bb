"""One staging directory as a file system: POSIX operations on paths, durable on the host file system (I5).

Paths are relative text, '' is the root. Errors are OSErrors with the errno that the host file system would give, and Busy while
somebody else changes or commits the directory. Descriptors are host descriptors: reading, writing and unlinking an open file are
the host's business.

Threads: any. One lock is held around each operation on names, which takes microseconds; copying a base file up, which may take
long, happens without it, and what has become of the name meanwhile is looked at again afterwards. The directory's places are
remembered only while this process holds the folder's lock, since nobody else moves directories then; it is taken at the first
change and held until `close`.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artfs.errors import Busy
from artfs.model.entry import Entry, Kind
from artfs.model.names import ArtifactName
from artfs.vfs.staging.base_version import BaseVersion, FileReader
from artfs.vfs.staging.changes import StagedChanges, find_changes
from artfs.vfs.staging.copy_up import copy_to_scratch, open_copy
from artfs.vfs.staging.folder_lock import FolderLock
from artfs.vfs.staging.host import HOST, Host
from artfs.vfs.staging.layout import check_new_path, check_text, format_target, host_name, os_error
from artfs.vfs.staging.moves import rename
from artfs.vfs.staging.overlay import Child, Overlay, Place
from artfs.vfs.staging.removal import remove_tree
from artfs.vfs.staging.stat import StagedStat, stat_of_upper

UPPER = "upper"
SCRATCH = "tmp"
_FILE_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC
# Offsets are the caller's: pwrite on an O_APPEND descriptor ignores its offset, O_DIRECT asks for aligned buffers.
_DROPPED_FLAGS = os.O_APPEND | os.O_DIRECT


class StagingDirectory:
    """The staging directory in `folder`, which holds `upper/` and `tmp/`, over `base`; it is to become a version of `artifact`."""

    def __init__(self, folder: Path, artifact: ArtifactName, base: BaseVersion | None = None, *, host: Host = HOST) -> None:
        self.folder = folder
        self.artifact = artifact
        self.name = folder.name
        self.base = base
        self.upper = folder / UPPER
        self._host = host
        self._scratch = str(folder / SCRATCH)
        self._overlay = Overlay(host, str(self.upper), self._scratch, base)
        self._lock = threading.RLock()
        self._folder_lock = FolderLock(folder)
        self._frozen = False

    def close(self) -> None:
        """Let others change the directory. Open descriptors stay usable."""
        with self._lock:
            self._folder_lock.release()
            self._overlay.forget_places()

    def is_current(self) -> bool:
        """False after `close`, or when somebody else has committed, renamed or removed the directory."""
        try:
            self._folder_lock.check_same_folder()
        except OSError:
            return False
        return True

    # what is there

    def stat(self, path: str) -> StagedStat:
        """What is at `path`, symlinks not followed."""
        with self._lock:
            self._look()
            return self._stat(path)

    def _stat(self, path: str) -> StagedStat:
        if not path:
            return stat_of_upper(self._host.lstat(str(self.upper)))
        return self._overlay.stat(self._overlay.existing(path))

    def list(self, path: str) -> list[tuple[str, StagedStat]]:
        """The names in a directory, sorted, each with what it is."""
        with self._lock:
            self._look()
            overlay = self._overlay
            rows = [(name, overlay.stat(child)) for name, child in overlay.children(overlay.directory(path))]
        return sorted(rows)

    def readlink(self, path: str) -> str:
        """The target of the symlink at `path`; EINVAL when it is none."""
        target = self.stat(path).target
        if target is None:
            raise os_error(errno.EINVAL, path)
        return target

    # files

    def create(self, path: str, flags: int, mode: int) -> tuple[int, StagedStat]:
        """`open` of a file that may have to be made, and what it is then: the two answers that FUSE wants in one."""
        fd = self.open(path, flags | os.O_CREAT, mode)
        return fd, stat_of_upper(self._host.fstat(fd))

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        """open(2), without following symlinks and without O_APPEND: the caller says where to write.

        A base file is copied up when it is opened for writing. Opened for reading it is copied too, into a file without a name:
        read it through `StagedStat.entry` instead where that can be done.
        """
        flags = flags & ~_DROPPED_FLAGS | _FILE_FLAGS
        writing = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC))
        while True:
            with self._lock:
                opened = self._open_upper(path, flags, mode, writing=writing)
            if isinstance(opened, int):
                return opened
            if not writing:
                return open_copy(self._reader(), opened, self._scratch)
            self._copy_up(path, size=0 if flags & os.O_TRUNC else None)

    def _open_upper(self, path: str, flags: int, mode: int, *, writing: bool) -> int | Entry:
        """A descriptor of what is in upper, or the base entry that is at `path`."""
        if writing or flags & os.O_CREAT:
            self._change()
        else:
            self._look()
        parent, _, name = path.rpartition("/")
        place = self._overlay.directory(parent)
        creating = flags & os.O_CREAT
        if creating and (place.base is None or self._overlay.base_entry(place, name) is None):
            check_new_path(path, name)
            return self._create_in(parent, name, flags, mode)
        child = self._overlay.child(place, name)
        if child is None:
            if not creating:
                raise os_error(errno.ENOENT, path)
            return self._create_in(parent, name, flags, mode)
        if creating and flags & os.O_EXCL:
            raise os_error(errno.EEXIST, path)
        return self._open_existing(path, child, flags & ~os.O_CREAT, writing=writing)

    def _create_in(self, parent: str, name: str, flags: int, mode: int) -> int | Entry:
        """O_CREAT where the base has no such file: one host operation when the name is new."""
        host_path = f"{self._overlay.ensure_upper(parent).upper}/{host_name(name)}"
        try:
            fd = self._host.open(host_path, flags | os.O_EXCL, mode)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            path = f"{parent}/{name}" if parent else name
            return self._open_existing(path, self._overlay.existing(path), flags & ~os.O_CREAT, writing=True)
        # The umask of the caller is in `mode` already; that of this process has no business in it.
        if modes.S_IMODE(self._host.fstat(fd).st_mode) != mode & 0o7777:
            self._host.fchmod(fd, mode & 0o7777)
        return fd

    def _open_existing(self, path: str, child: Child, flags: int, *, writing: bool) -> int | Entry:
        if child.is_directory and writing:
            raise os_error(errno.EISDIR, path)
        if child.entry is not None and child.entry.kind is Kind.SYMLINK:
            raise os_error(errno.ELOOP, path)
        if child.entry is not None and not child.is_directory:
            return child.entry
        if child.host_path is None:
            child = Child(self._overlay.ensure_upper(path).upper)
        return self._host.open(str(child.host_path), flags, 0)

    def _reader(self) -> FileReader:
        assert self.base is not None  # noqa: S101 - only base entries are read through it
        return self.base.reader

    def _copy_up(self, path: str, size: int | None = None) -> str:
        """The host path of the file or symlink at `path`, made one of upper's first if it is still the base's."""
        while True:
            with self._lock:
                self._change()
                child = self._overlay.existing(path)
                if child.entry is None:
                    return str(child.host_path)
                if child.is_directory:
                    raise os_error(errno.EISDIR, path)
                scratch = self._overlay.scratch_path()
                if child.entry.kind is Kind.SYMLINK:
                    return self._put_in_place(path, self._overlay.make_stand_in(child.entry))
            copy_to_scratch(self._host, self._reader(), child.entry, scratch, size)
            with self._lock:
                self._change()
                now = self._overlay.existing(path)
                if now.entry is not None and now.entry.path == child.entry.path:
                    return self._put_in_place(path, scratch)
            self._host.unlink(scratch)  # somebody else was faster, or the name is something else by now

    def _put_in_place(self, path: str, scratch: str) -> str:
        parent, _, name = path.rpartition("/")
        host_path = f"{self._overlay.ensure_upper(parent).upper}/{host_name(name)}"
        self._host.rename(scratch, host_path)
        return host_path

    def truncate(self, path: str, size: int) -> None:
        """truncate(2). Of a base file no more is copied than is kept."""
        host_path = self._copy_up(path, size)
        fd = self._host.open(host_path, os.O_WRONLY | _FILE_FLAGS, 0)
        try:
            self._host.ftruncate(fd, size)
        finally:
            self._host.close(fd)

    # names

    def mkdir(self, path: str, mode: int = 0o777) -> StagedStat:
        """mkdir(2). Says what was made, as FUSE asks for it."""
        with self._lock:
            host_path = self._new_host_path(path)
            self._host.mkdir(host_path, mode)
            status = self._host.lstat(host_path)
            if modes.S_IMODE(status.st_mode) != mode & 0o7777:
                self._host.chmod(host_path, mode & 0o7777)
                status = self._host.lstat(host_path)
            return stat_of_upper(status)

    def symlink(self, target: str, path: str) -> StagedStat:
        """symlink(2): `path` becomes a symlink to `target`."""
        check_text(target)
        with self._lock:
            host_path = self._new_host_path(path)
            self._host.symlink(format_target(target), host_path)
            return stat_of_upper(self._host.lstat(host_path), target)

    def link(self, old: str, new: str) -> StagedStat:
        """link(2): another name for a file. A base file is copied up first, as two names of it could not stay one file."""
        with self._lock:
            status = self.stat(old)
            parent, _, name = new.rpartition("/")
            self._check_new(new, parent, name)
        if status.kind is Kind.DIRECTORY:
            raise os_error(errno.EPERM, old)
        source = self._copy_up(old)
        with self._lock:
            host_path = self._new_host_path(new)
            self._host.link(source, host_path, follow_symlinks=False)
            return self._stat(new)

    def _new_host_path(self, path: str) -> str:
        """The host path of something new at `path`; EEXIST when there is something."""
        parent, _, name = path.rpartition("/")
        self._change()
        self._check_new(path, parent, name)
        return f"{self._overlay.ensure_upper(parent).upper}/{host_name(name)}"

    def _check_new(self, path: str, parent: str, name: str) -> None:
        place = self._overlay.directory(parent)
        if not path or self._overlay.child(place, name) is not None:
            raise os_error(errno.EEXIST, path)
        check_new_path(path, name)

    def unlink(self, path: str) -> None:
        """unlink(2): files and symlinks, EISDIR for directories."""
        with self._lock:
            place, name, child = self._removable(path)
            if child.is_directory:
                raise os_error(errno.EISDIR, path)
            self._overlay.hide(place, name)
            if child.host_path is not None:
                self._host.unlink(child.host_path)

    def rmdir(self, path: str) -> None:
        """rmdir(2): ENOTEMPTY unless nothing is visible in it."""
        with self._lock:
            place, name, child = self._removable(path)
            if not child.is_directory:
                raise os_error(errno.ENOTDIR, path)
            if not self._overlay.is_empty(self._overlay.place_of(child)):
                raise os_error(errno.ENOTEMPTY, path)
            self._overlay.hide(place, name)
            if child.host_path is not None:
                self._overlay.flatten(child.host_path)
                self._host.rmdir(child.host_path)
            self._overlay.known.pop(path, None)

    def _removable(self, path: str) -> tuple[Place, str, Child]:
        self._change()
        if not path:
            raise os_error(errno.EBUSY, path)
        child = self._overlay.existing(path)
        parent, _, name = path.rpartition("/")
        return self._overlay.ensure_upper(parent), name, child

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        """rename(2); flags are those of renameat2(2), RENAME_NOREPLACE and RENAME_EXCHANGE."""
        with self._lock:
            self._change()
            rename(self._overlay, old, new, flags)

    # attributes

    def chmod(self, path: str, mode: int) -> None:
        """chmod(2). Nothing is copied when the mode is the one that the file has."""
        mode &= 0o7777
        status = self.stat(path)
        if status.kind is Kind.SYMLINK:
            raise os_error(errno.EOPNOTSUPP, path)
        if modes.S_IMODE(status.mode) != mode:
            self._host.chmod(self._own_host_path(path, status), mode)

    def utimens(self, path: str, atime_ns: int | None, mtime_ns: int | None) -> None:
        """utimensat(2), symlinks not followed; None leaves a time as it is."""
        status = self.stat(path)
        times = (
            status.atime_ns if atime_ns is None else atime_ns,
            status.mtime_ns if mtime_ns is None else mtime_ns,
        )
        self._host.utime(self._own_host_path(path, status), ns=times, follow_symlinks=False)

    def _own_host_path(self, path: str, status: StagedStat) -> str:
        """The host path of what is at `path`, made real in upper first."""
        if status.kind is not Kind.DIRECTORY:
            return self._copy_up(path)
        with self._lock:
            self._change()
            return str(self._overlay.ensure_upper(path).upper)

    # durability

    def fsync(self, fd: int, path: str | None = None, *, data_only: bool = False) -> None:
        """fsync(2) or fdatasync(2) of a descriptor; with its path, also of directories that were made real for the file's sake."""
        if data_only:
            os.fdatasync(fd)
        else:
            self._host.fsync(fd)
        if path is not None and self.base is not None:
            self.fsync_directory(path.rpartition("/")[0])

    def fsync_directory(self, path: str) -> None:
        """Names in the directory survive a power cut: those of it, and those that lead to it."""
        with self._lock:
            self._look()
            place = self._overlay.directory(path)
            uppers = []
            while place.upper is not None:
                uppers.append(place.upper)
                if not path:
                    break
                path = path.rpartition("/")[0]
                place = self._overlay.directory(path)
        for upper in uppers:
            fd = self._host.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0)
            try:
                self._host.fsync(fd)
            finally:
                self._host.close(fd)

    # committing

    def changes(self) -> StagedChanges:
        """What differs from the base. The cost follows the differences."""
        with self._lock:
            self._look()
            return find_changes(self._overlay)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing changes in the block: whoever tries is told Busy. For a commit; the caller sees to it that no writer is open."""
        with self._lock:
            self._change()
            self._frozen = True
        try:
            yield
        finally:
            with self._lock:
                self._frozen = False

    # the lock

    def _look(self) -> None:
        if not self._folder_lock.held:
            self._folder_lock.check_same_folder()
            self._overlay.forget_places()

    def _change(self) -> None:
        if self._frozen:
            raise Busy(f"the staging directory {self.name!r} is being committed: wait until that is done")
        if not self._folder_lock.held:
            self._folder_lock.acquire()
            self._overlay.forget_places()
            # What a crash left half done; only now, as another process may have been at work there.
            remove_tree(self._scratch, keep_top=True)
