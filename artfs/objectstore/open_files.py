"""Open files, kept for the next read: a mount reads a pack hundreds of times, and opening it each time costs as much as reading.

A bounded number of descriptors, the least recently used one is closed. A descriptor is closed only when nobody reads from it any
more: eviction drops the reference, the last reader's reference ends it. So no reader ever meets a number that means another file
by now, without a lock being held while reading. All methods may be called from any thread.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable


class OpenFile:
    """One descriptor, closed with the last reference to this object."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # `close` is bound early: when the interpreter ends, the module's names may be gone before this object.
        close(self.descriptor)


class OpenFiles:
    """At most `limit` files that stay open for reading, by path."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._files: OrderedDict[str, OpenFile] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str) -> OpenFile:
        """The file at `path`, open. Raises the OSError of open(2)."""
        with self._lock:
            found = self._files.get(path)
            if found is not None:
                self._files.move_to_end(path)
                return found
        opened = OpenFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        with self._lock:
            # Two threads may both have opened it: both are right, one stays, the other ends with its reader.
            self._files[path] = opened
            evicted = self._files.popitem(last=False) if len(self._files) > self._limit else None
        del evicted  # closes it, but not while the lock is held
        return opened

    def forget(self, path: str) -> None:
        """Do not hand out the file at `path` again: it was removed or replaced."""
        with self._lock:
            dropped = self._files.pop(path, None)
        del dropped
