"""Copies of base files on the host file system: for a file that is to be changed, and for one that is read through a descriptor.

Reads through the content reader, which may go to the network: never call these with a lock held. Any thread.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile

from artfs.model.entry import Entry
from artfs.vfs.staging.base_version import FileReader
from artfs.vfs.staging.host import Host
from artfs.vfs.staging.layout import os_error
from artfs.vfs.staging.stat import mode_of_entry

_STEP = 1 << 20


def copy_to_scratch(host: Host, reader: FileReader, entry: Entry, scratch_path: str, size: int | None) -> None:
    """Make `scratch_path` a file with the bytes (the first `size` of them), mode and mtime of the entry."""
    fd = host.open(scratch_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if size != 0:
            _copy(reader, entry, fd, size)
        host.fchmod(fd, stat.S_IMODE(mode_of_entry(entry)))
        # Being opened does not change a file: the first write will set the time, if it comes.
        host.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        if size != 0:
            # The name will hide content that was safe: a power cut must not leave an empty file in its place (I5).
            host.fsync(fd)
    finally:
        host.close(fd)


def open_copy(reader: FileReader, entry: Entry, scratch: str) -> int:
    """A descriptor to read the bytes of the entry from; the copy has no name and goes with the descriptor."""
    with tempfile.TemporaryFile(dir=scratch, buffering=0) as file:
        _copy(reader, entry, file.fileno(), None)
        file.seek(0)
        return os.dup(file.fileno())


def _copy(reader: FileReader, entry: Entry, fd: int, most: int | None) -> None:
    size = reader.size(entry)
    reference = entry.reference
    # Where nothing was recorded, copying the whole would look anew what is there, and the mount could show a file made of two.
    if reference is not None and reference.size is not None and (most is None or most >= size):
        reader.copy_to(entry, fd, is_scratch=True)
        return
    size = size if most is None else min(most, size)
    offset = 0
    while offset < size:
        data = memoryview(reader.read(entry, offset, min(_STEP, size - offset)))
        if not data:
            raise os_error(errno.EIO, entry.path)
        while data:
            written = os.pwrite(fd, data, offset)
            data, offset = data[written:], offset + written
