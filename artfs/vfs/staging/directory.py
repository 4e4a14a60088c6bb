"""One staging directory as a file system: POSIX operations on paths, durable on the host file system (I5).

Paths are relative text, '' is the root. Errors are OSErrors with the errno that the host file system would give, and Busy while
somebody else changes or commits the directory. Descriptors are host descriptors: reading, writing and unlinking an open file are
the host's business.

Any thread: how they share it says `gate`. The work is done by `overlay` (finding), `files`, `moves` and `changes`.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from contextlib import AbstractContextManager
from pathlib import Path

from artfs.model.entry import Entry, Kind
from artfs.model.names import ArtifactName
from artfs.vfs.staging.base_version import BaseVersion
from artfs.vfs.staging.changes import StagedChanges, find_changes
from artfs.vfs.staging.files import Files
from artfs.vfs.staging.gate import FolderGate
from artfs.vfs.staging.host import HOST, Host
from artfs.vfs.staging.layout import SCRATCH, UPPER, check_new_path, check_text, format_target, host_name, os_error
from artfs.vfs.staging.moves import rename
from artfs.vfs.staging.overlay import Child, Overlay, Place
from artfs.vfs.staging.stat import StagedStat, makes_executable, stat_of_upper


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
        self._gate = FolderGate(folder, self._scratch, self._overlay.forget_places)
        self._files = Files(self._overlay, self._gate)

    def close(self) -> None:
        """Let others change the directory. Open descriptors stay usable."""
        self._gate.close()

    def is_current(self) -> bool:
        """False after `close`, or when somebody else has committed, renamed or removed the directory."""
        return self._gate.is_current()

    # what is there

    def stat(self, path: str) -> StagedStat:
        """What is at `path`, symlinks not followed."""
        with self._gate.lock:
            self._gate.look()
            return self._stat(path)

    def _stat(self, path: str) -> StagedStat:
        if not path:
            return stat_of_upper(self._host.lstat(str(self.upper)))
        return self._overlay.stat(self._overlay.existing(path))

    def list(self, path: str) -> list[tuple[str, StagedStat]]:
        """The names in a directory, sorted, each with what it is."""
        with self._gate.lock:
            self._gate.look()
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
        return self._files.open(path, flags, mode)

    def fetch_copy(self, entry: Entry, size: int | None) -> str:
        """A copy of a base file for `place_copy` or `drop_copy`: what opening it for writing does first, and what may take long."""
        return self._files.fetch_copy(entry, size)

    def place_copy(self, path: str, entry: Entry, scratch: str) -> None:
        """The copy becomes the file at `path`, if that still is the base file."""
        self._files.place_copy(path, entry, scratch)

    def drop_copy(self, scratch: str) -> None:
        """Nobody wants the copy any more."""
        self._files.drop_copy(scratch)

    def truncate(self, path: str, size: int) -> None:
        """truncate(2). Of a base file no more is copied than is kept."""
        self._files.truncate(path, size)

    # names

    def mkdir(self, path: str, mode: int = 0o777) -> StagedStat:
        """mkdir(2). Says what was made, as FUSE asks for it."""
        with self._gate.lock:
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
        with self._gate.lock:
            host_path = self._new_host_path(path)
            self._host.symlink(format_target(target), host_path)
            return stat_of_upper(self._host.lstat(host_path), target)

    def link(self, old: str, new: str) -> StagedStat:
        """link(2): another name for a file. A base file is copied up first, as two names of it could not stay one file.

        EPERM for a reference: nobody who asks for a second name expects all its bytes to be brought here.
        """
        with self._gate.lock:
            status = self.stat(old)
            parent, _, name = new.rpartition("/")
            self._check_new(new, parent, name)
        if status.kind is Kind.DIRECTORY:
            raise os_error(errno.EPERM, old)
        if status.reference is not None:
            raise OSError(errno.EPERM, "a reference cannot have two names: copy it to make it a file, or add it twice", old)
        source = self._files.copy_up(old)
        with self._gate.lock:
            host_path = self._new_host_path(new)
            self._host.link(source, host_path, follow_symlinks=False)
            return self._stat(new)

    def _new_host_path(self, path: str) -> str:
        """The host path of something new at `path`; EEXIST when there is something."""
        parent, _, name = path.rpartition("/")
        self._gate.change()
        self._check_new(path, parent, name)
        return f"{self._overlay.ensure_upper(parent).upper}/{host_name(name)}"

    def _check_new(self, path: str, parent: str, name: str) -> None:
        place = self._overlay.directory(parent)
        if not path or self._overlay.child(place, name) is not None:
            raise os_error(errno.EEXIST, path)
        check_new_path(path, name)

    def unlink(self, path: str) -> None:
        """unlink(2): files and symlinks, EISDIR for directories."""
        with self._gate.lock:
            place, name, child = self._removable(path)
            if child.is_directory:
                raise os_error(errno.EISDIR, path)
            self._overlay.hide(place, name)
            if child.host_path is not None:
                self._host.unlink(child.host_path)

    def rmdir(self, path: str) -> None:
        """rmdir(2): ENOTEMPTY unless nothing is visible in it."""
        with self._gate.lock:
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
        self._gate.change()
        if not path:
            raise os_error(errno.EBUSY, path)
        child = self._overlay.existing(path)
        parent, _, name = path.rpartition("/")
        return self._overlay.ensure_upper(parent), name, child

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        """rename(2); flags are those of renameat2(2), RENAME_NOREPLACE and RENAME_EXCHANGE."""
        with self._gate.lock:
            self._gate.change()
            rename(self._overlay, old, new, flags)

    # attributes

    def chmod(self, path: str, mode: int) -> None:
        """chmod(2). Nothing is copied when the mode is the one that the file has.

        Of a reference a version says nothing about permissions, so that only making it executable makes it a file; else nothing
        happens, as with the owner of any file.
        """
        mode &= 0o7777
        status = self.stat(path)
        if status.kind is Kind.SYMLINK:
            raise os_error(errno.EOPNOTSUPP, path)
        if modes.S_IMODE(status.mode) != mode and (status.reference is None or makes_executable(mode)):
            self._host.chmod(self._own_host_path(path, status), mode)

    def utimens(self, path: str, atime_ns: int | None, mtime_ns: int | None) -> None:
        """utimensat(2), symlinks not followed; None leaves a time as it is. The time of a reference stays that of its home."""
        status = self.stat(path)
        if status.reference is not None:
            return
        times = (
            status.atime_ns if atime_ns is None else atime_ns,
            status.mtime_ns if mtime_ns is None else mtime_ns,
        )
        self._host.utime(self._own_host_path(path, status), ns=times, follow_symlinks=False)

    def _own_host_path(self, path: str, status: StagedStat) -> str:
        """The host path of what is at `path`, made real in upper first."""
        if status.kind is not Kind.DIRECTORY:
            return self._files.copy_up(path)
        with self._gate.lock:
            self._gate.change()
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
        with self._gate.lock:
            self._gate.look()
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
        with self._gate.lock:
            self._gate.look()
            return find_changes(self._overlay)

    def frozen(self) -> AbstractContextManager[None]:
        """Nothing changes in the block: whoever tries is told Busy. For a commit; the caller sees to it that no writer is open."""
        return self._gate.frozen()
