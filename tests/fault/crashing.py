"""Doubles that end a commit at a chosen point: before or after any write to the object store and any call of the registry.

They go in through the constructor (`assemble_repository`) and behave as what they wrap until the point is reached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

from typing_extensions import Buffer

from artfs.config import Config
from artfs.objectstore.open import open_objects
from artfs.objectstore.protocol import ObjectInfo, ObjectStore, Piece
from artfs.registry.open import Registry, open_registry
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository

_PARTS = (
    "collections",
    "versions",
    "aliases",
    "runs",
    "lineage",
    "packs",
    "leases",
    "contributions",
    "imports",
    "identity",
    "changes",
)


class Points:
    """Counts the points that are passed, and does `act(name)` at number `at`; with `for_ever`, at all that follow as well."""

    def __init__(self, at: int | None, act: Callable[[str], object], *, for_ever: bool = False) -> None:
        self.passed: list[str] = []
        self._at = at
        self._act = act
        self._for_ever = for_ever
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        with self._lock:
            number = len(self.passed)
            self.passed.append(name)
        if self._at is not None and (number == self._at or (self._for_ever and number > self._at)):
            self._act(name)

    @property
    def reached(self) -> bool:
        return self._at is not None and len(self.passed) > self._at


class CrashingStore:
    """An object store with a point before and after each write."""

    def __init__(self, inner: ObjectStore, points: Points) -> None:
        self._inner = inner
        self._points = points

    @property
    def is_remote(self) -> bool:
        return self._inner.is_remote

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        self._points.reach("before put")
        self._inner.put(key, data)
        self._points.reach("after put")

    def delete(self, key: str) -> None:
        self._points.reach("before delete")
        self._inner.delete(key)
        self._points.reach("after delete")

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def read_range(self, key: str, offset: int, length: int) -> Piece:
        return self._inner.read_range(key, offset, length)

    def size(self, key: str) -> int:
        return self._inner.size(key)

    def has(self, key: str) -> bool:
        return self._inner.has(key)

    def iter_objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._inner.iter_objects(prefix)


class _CrashingPart:
    def __init__(self, name: str, inner: object, points: Points) -> None:
        self._name = name
        self._inner = inner
        self._points = points

    def __getattr__(self, method: str) -> Callable[..., Any]:
        bound = getattr(self._inner, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._points.reach(f"before {self._name}.{method}")
            result = bound(*args, **kwargs)
            self._points.reach(f"after {self._name}.{method}")
            return result

        return call


def crashing_registry(inner: Registry, points: Points) -> Registry:
    """A registry with a point before and after each call."""
    parts = {name: _CrashingPart(name, getattr(inner, name), points) for name in _PARTS}
    return cast("Registry", SimpleNamespace(**parts, now=inner.now, close=inner.close))


def crashing_repository(config: Config, points: Points) -> Repository:
    registry = crashing_registry(open_registry(config.registry), points)
    return assemble_repository(config, registry, CrashingStore(open_objects(config.objects), points))
