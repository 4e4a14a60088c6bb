"""Objects in memory: for tests, and for trying things out. Not durable, of course. All methods may be called from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from typing_extensions import Buffer

from artfs.errors import IntegrityError, NotFound
from artfs.objectstore.key import check_key
from artfs.objectstore.protocol import ObjectInfo


class MemoryStore:
    """An ObjectStore that forgets everything with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    @property
    def is_remote(self) -> bool:
        return False

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        check_key(key)
        whole = b"".join(data)
        with self._lock:
            self._objects[key] = (whole, time.time())

    def get(self, key: str) -> bytes:
        return self._find(key)[0]

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        whole, _ = self._find(key)
        found = whole[offset : offset + length]
        if len(found) != length:
            raise IntegrityError(f"object {key} ends after {len(whole)} bytes: {length} bytes at {offset} were expected")
        return found

    def size(self, key: str) -> int:
        return len(self._find(key)[0])

    def has(self, key: str) -> bool:
        check_key(key)
        with self._lock:
            return key in self._objects

    def delete(self, key: str) -> None:
        check_key(key)
        with self._lock:
            self._objects.pop(key, None)

    def iter_objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._lock:
            found = [ObjectInfo(key, len(data), put_s) for key, (data, put_s) in self._objects.items() if key.startswith(prefix)]
        return iter(sorted(found, key=lambda info: info.key))

    def _find(self, key: str) -> tuple[bytes, float]:
        check_key(key)
        with self._lock:
            found = self._objects.get(key)
        if found is None:
            raise NotFound(f"there is no object {key} in memory: run `artfs verify` to learn what needs it")
        return found
