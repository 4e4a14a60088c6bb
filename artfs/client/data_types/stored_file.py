"""A file of an artifact as Python's libraries read files: open, at any place, and only as far as they read.

For one thread at a time, like any file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable


class StoredFile(io.RawIOBase):
    """Reads through `read(offset, length)`, which gives fewer bytes only where the file ends."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"cannot seek to {start + offset}")
        self._position = start + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        rest = max(self._size - self._position, 0)
        data = self._read(self._position, rest if size is None or size < 0 else min(size, rest))
        self._position += len(data)
        return data
