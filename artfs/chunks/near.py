"""What is near and what is far: near is what lies in memory or in the cache on the local disk; the object store is far.

Whoever answers many readers has those go first who wait for nobody, and wants to know who has heard of the store. For that he has
chunks read within a `Reach`. A reach is one thread's, and another thread looks at it when that one is through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class NotNear(Exception):
    """Something that was asked for is far. Whoever allowed nothing but what is near catches it."""


class Reach:
    """How far reading may go, and whether it went far."""

    __slots__ = ("is_far", "only_near")

    def __init__(self, *, only_near: bool = False) -> None:
        self.only_near = only_near
        self.is_far = False

    @contextmanager
    def entered(self) -> Iterator[None]:
        """What this thread reads within the block, it reads within this reach."""
        token = _REACH.set(self)
        try:
            yield
        finally:
            _REACH.reset(token)


_REACH: ContextVar[Reach | None] = ContextVar("artfs_reach", default=None)


def is_only_near() -> bool:
    """True where nothing that is far may be read."""
    reach = _REACH.get()
    return reach is not None and reach.only_near


def go_far() -> None:
    """Say that this thread is about to wait for the object store, or for another thread that does. Raises NotNear."""
    reach = _REACH.get()
    if reach is not None:
        if reach.only_near:
            raise NotNear
        reach.is_far = True
