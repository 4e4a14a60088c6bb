"""Counts what is asked of an object store: for the status of a mount and for tests that promise few requests.

Has the interface of what it wraps, and changes nothing of it. Counts of requests that failed are included; bytes are counted
when they have been moved. All methods may be called from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

from typing_extensions import Buffer

from artfs.fork_hook import watch_forks
from artfs.objectstore.protocol import ObjectInfo, ObjectStore, Piece

COUNTED = ("put", "get", "read_range", "size", "has", "delete", "iter_objects", "bytes_read", "bytes_written")


class MeteredStore:
    """An ObjectStore that counts the requests to `inner`."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self._counts = dict.fromkeys(COUNTED, 0)
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Take a new lock, as a thread of the parent may have held it."""
        self._lock = threading.Lock()

    def counts(self) -> Mapping[str, int]:
        """How often each verb was used so far, and `bytes_read` and `bytes_written`."""
        with self._lock:
            return dict(self._counts)

    @property
    def is_remote(self) -> bool:
        return self._inner.is_remote

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        self._count("put")
        self._inner.put(key, data)
        self._count("bytes_written", sum(memoryview(piece).nbytes for piece in data))

    def get(self, key: str) -> bytes:
        self._count("get")
        found = self._inner.get(key)
        self._count("bytes_read", len(found))
        return found

    def read_range(self, key: str, offset: int, length: int) -> Piece:
        self._count("read_range")
        found = self._inner.read_range(key, offset, length)
        self._count("bytes_read", length)
        return found

    def size(self, key: str) -> int:
        self._count("size")
        return self._inner.size(key)

    def has(self, key: str) -> bool:
        self._count("has")
        return self._inner.has(key)

    def delete(self, key: str) -> None:
        self._count("delete")
        self._inner.delete(key)

    def iter_objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._count("iter_objects")
        return self._inner.iter_objects(prefix)

    def _count(self, name: str, by: int = 1) -> None:
        with self._lock:
            self._counts[name] += by
