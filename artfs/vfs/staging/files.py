"""Opening files of a staging directory, and copying base files up when they are to be changed.

Copying may take long and may go to the network: it happens without the gate's lock, and what has become of the name meanwhile is
looked at again afterwards. Any thread.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from artfs.model.entry import Entry, Kind
from artfs.vfs.staging.base_version import FileReader
from artfs.vfs.staging.copy_up import copy_to_scratch, open_copy
from artfs.vfs.staging.gate import FolderGate
from artfs.vfs.staging.layout import check_new_path, host_name, join, os_error
from artfs.vfs.staging.overlay import Child, Overlay

_FILE_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC
# Offsets are the caller's: pwrite on an O_APPEND descriptor ignores its offset, O_DIRECT asks for aligned buffers.
_DROPPED_FLAGS = os.O_APPEND | os.O_DIRECT


class Files:
    """The files of one overlay."""

    def __init__(self, overlay: Overlay, gate: FolderGate) -> None:
        self._overlay = overlay
        self._gate = gate

    def open(self, path: str, flags: int, mode: int) -> int:
        """As `StagingDirectory.open`."""
        flags = flags & ~_DROPPED_FLAGS | _FILE_FLAGS
        writing = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC))
        while True:
            with self._gate.lock:
                opened = self._open_upper(path, flags, mode, writing=writing)
            if isinstance(opened, int):
                return opened
            if not writing:
                return open_copy(self._reader(), opened, self._overlay.scratch)
            self.copy_up(path, size=0 if flags & os.O_TRUNC else None)

    def _open_upper(self, path: str, flags: int, mode: int, *, writing: bool) -> int | Entry:
        """A descriptor of what is in upper, or the base entry that is at `path`."""
        if writing or flags & os.O_CREAT:
            self._gate.change()
        else:
            self._gate.look()
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
            fd = self._overlay.host.open(host_path, flags | os.O_EXCL, mode)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            path = join(parent, name)
            return self._open_existing(path, self._overlay.existing(path), flags & ~os.O_CREAT, writing=True)
        # The umask of the caller is in `mode` already; that of this process has no business in it.
        if stat.S_IMODE(self._overlay.host.fstat(fd).st_mode) != mode & 0o7777:
            self._overlay.host.fchmod(fd, mode & 0o7777)
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
        return self._overlay.host.open(str(child.host_path), flags, 0)

    def _reader(self) -> FileReader:
        assert self._overlay.base is not None  # noqa: S101 - only base entries are read through it
        return self._overlay.base.reader

    def copy_up(self, path: str, size: int | None = None) -> str:
        """The host path of the file or symlink at `path`, made one of upper's first if it is still the base's."""
        while True:
            with self._gate.lock:
                self._gate.change()
                child = self._overlay.existing(path)
                if child.entry is None:
                    return str(child.host_path)
                if child.is_directory:
                    raise os_error(errno.EISDIR, path)
                if child.entry.kind is Kind.SYMLINK:
                    return self._put_in_place(path, self._overlay.make_stand_in(child.entry))
            host_path = self.place_copy(path, child.entry, self.fetch_copy(child.entry, size))
            if host_path is not None:
                return host_path

    def fetch_copy(self, entry: Entry, size: int | None) -> str:
        """A copy of the base file `entry`, or of its first `size` bytes, in scratch. `place_copy` takes it."""
        with self._gate.lock:
            self._gate.change()
            scratch = self._overlay.scratch_path()
        try:
            copy_to_scratch(self._overlay.host, self._reader(), entry, scratch, size)
        except BaseException:
            self.drop_copy(scratch)
            raise
        return scratch

    def drop_copy(self, scratch: str) -> None:
        """Remove a copy that nobody wants: a full disk must not stay full of it."""
        with suppress(OSError):
            self._overlay.host.unlink(scratch)

    def place_copy(self, path: str, entry: Entry, scratch: str) -> str | None:
        """Put the copy of `entry` at `path`; None when somebody else was faster, or something else is there by now."""
        try:
            with self._gate.lock:
                self._gate.change()
                now = self._overlay.existing(path)
                if now.entry is not None and now.entry.path == entry.path:
                    return self._put_in_place(path, scratch)
        except BaseException:
            self.drop_copy(scratch)
            raise
        self.drop_copy(scratch)
        return None

    def _put_in_place(self, path: str, scratch: str) -> str:
        parent, _, name = path.rpartition("/")
        host_path = f"{self._overlay.ensure_upper(parent).upper}/{host_name(name)}"
        self._overlay.host.rename(scratch, host_path)
        return host_path

    def truncate(self, path: str, size: int) -> None:
        """As `StagingDirectory.truncate`."""
        host_path = self.copy_up(path, size)
        fd = self._overlay.host.open(host_path, os.O_WRONLY | _FILE_FLAGS, 0)
        try:
            self._overlay.host.ftruncate(fd, size)
        finally:
            self._overlay.host.close(fd)
