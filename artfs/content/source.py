"""Local files as sources of content: opened, read, and checked not to have changed meanwhile.

Every failure is a SourceNotReadable that names the file. Whether a file changed is judged by what `fstat` says before and after; a
file that is written to at this moment would otherwise become a version that never existed. Does not cut or digest.

A `Source` belongs to one thread at a time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from artfs.content.stamp import Stamp, stamp_of
from artfs.content.walk import describe_mode
from artfs.errors import SourceNotReadable


def stat_source(place: str) -> Stamp:
    """The stamp of the regular file at `place`; symlinks are followed."""
    try:
        stamp = stamp_of(os.stat(place))  # noqa: PTH116 - called once a file, 10 000 times a second
    except (OSError, ValueError) as error:
        raise unreadable(place, error) from error
    if not stat.S_ISREG(stamp.mode):
        what = "a folder" if stat.S_ISDIR(stamp.mode) else describe_mode(stamp.mode)
        raise SourceNotReadable(f"{place} is {what}: only regular files can be added as a file")
    return stamp


def unreadable(place: str, error: Exception) -> SourceNotReadable:
    """The error for a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return SourceNotReadable(f"{place} does not exist, or was removed while it was added")
    if isinstance(error, PermissionError):
        return SourceNotReadable(f"{place} may not be read by this user: change its permissions or leave it out")
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return SourceNotReadable(f"cannot read {place}: {reason}")


class Source:
    """One open file. `stamp` is what it was when it was opened."""

    __slots__ = ("_descriptor", "place", "stamp")

    def __init__(self, place: str, descriptor: int) -> None:
        self.place = place
        self._descriptor = descriptor
        self.stamp = stamp_of(os.fstat(descriptor))

    def read_whole(self, room: memoryview) -> memoryview:
        """All bytes, at the beginning of `room`, and the check that the file did not change.

        `room` has a byte more than the file shall have at most: that shows a file that grew.
        """
        size = self.stamp.size
        if size >= len(room) or self.read_into(room[: size + 1], 0, enough=size) != size:
            raise changed(self.place)
        self.check_unchanged()
        return room[:size]

    def read_into(self, buffer: memoryview, offset: int, *, enough: int | None = None) -> int:
        """Fill `buffer`, or at least `enough` bytes of it, from `offset` of the file on; less only at the end of the file."""
        filled = 0
        wanted = len(buffer) if enough is None else enough
        try:
            while filled < wanted:
                count = os.preadv(self._descriptor, [buffer[filled:]], offset + filled)
                if not count:
                    break
                filled += count
        except OSError as error:
            raise unreadable(self.place, error) from error
        return filled

    def check_unchanged(self) -> None:
        """Raise SourceNotReadable if the file is not what it was when it was opened."""
        if stamp_of(os.fstat(self._descriptor)) != self.stamp:
            raise changed(self.place)


def changed(place: str) -> SourceNotReadable:
    """The error for a file that somebody writes to."""
    return SourceNotReadable(f"{place} changed while it was read: add it again when nothing writes to it")


@contextmanager
def open_source(place: str) -> Iterator[Source]:
    """Open the regular file at `place` for reading."""
    try:
        # O_NONBLOCK: opening a named pipe that took the file's place must not wait for a writer.
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise unreadable(place, error) from error
    try:
        source = Source(place, descriptor)
        if not stat.S_ISREG(source.stamp.mode):
            raise SourceNotReadable(f"{place} is {describe_mode(source.stamp.mode)}: only regular files can be added as a file")
        yield source
    finally:
        os.close(descriptor)
