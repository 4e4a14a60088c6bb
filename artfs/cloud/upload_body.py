"""The bytes of an upload, as vendors' libraries want them: a file that can be read from its beginning again.

Nothing is copied: what is read are views of the pieces. One thread at a time.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence

from typing_extensions import Buffer

#: A connection takes 16 KiB at a time from a file, in Python. More than that is handed out, which the sockets below take as gladly,
#: in a quarter less CPU than pieces of 64 KiB; not more, as a slow link has to take each piece before the connection is given up
#: for silent.
_LEAST_READ = 256 << 10


class UploadBody:
    """A readable, seekable file of `data`, in which `moving_s` says for how long it was being read, all attempts together.

    `read(size)` may return more than `size`: what sends it sends all that it gets, and what hashes it hashes all.
    """

    def __init__(self, data: Sequence[Buffer]) -> None:
        self._views = [view for view in (memoryview(piece).cast("B") for piece in data) if view.nbytes]
        self._size = sum(view.nbytes for view in self._views)
        self._position = 0
        #: The piece in which the position lies, and where that piece begins.
        self._number, self._begin = 0, 0
        self._moved_s = 0.0
        self._first_read_s = self._last_read_s = 0.0

    def __len__(self) -> int:
        return self._size

    @property
    def moving_s(self) -> float:
        """Seconds from the first to the last read of each time that it was read from its beginning."""
        return self._moved_s + self._last_read_s - self._first_read_s

    def crc32(self) -> int:
        crc = 0
        for view in self._views:
            crc = zlib.crc32(view, crc)
        return crc

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to `offset` from the beginning (0), from here (1), or from the end (2)."""
        self._position = max(0, min(self._size, offset + (0, self._position, self._size)[whence]))
        self._moved_s, self._first_read_s, self._last_read_s = self.moving_s, 0.0, 0.0
        self._number = self._begin = 0
        while self._number < len(self._views) and self._position >= self._begin + self._views[self._number].nbytes:
            self._begin += self._views[self._number].nbytes
            self._number += 1
        return self._position

    def read(self, size: int = -1) -> memoryview | bytes:
        """The next bytes; b"" at the end. Without a size all that are left."""
        self._last_read_s = time.monotonic()
        self._first_read_s = self._first_read_s or self._last_read_s
        if self._number == len(self._views) or size == 0:
            return b""
        if size < 0:
            rest = b"".join([self._views[self._number][self._position - self._begin :], *self._views[self._number + 1 :]])
            self.seek(0, 2)
            return rest
        view = self._views[self._number]
        found = view[self._position - self._begin :][: max(size, _LEAST_READ)]
        self._position += found.nbytes
        if self._position == self._begin + view.nbytes:
            self._begin += view.nbytes
            self._number += 1
        return found
