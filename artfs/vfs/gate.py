"""A gate for paths: many operations may rely on paths at once, or one may change what the paths lead to.

Renaming a directory moves all that is below it. Who has made a path out of a node, and not used it yet, must not be overtaken by
that. Any thread; not reentrant.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PathGate:
    """Shared by those who use paths, exclusive for who moves them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shared = 0
        self._waiting = 0
        self._exclusive = False

    @contextmanager
    def using_paths(self) -> Iterator[None]:
        """Nothing is moved in the block."""
        with self._changed:
            # Behind one who waits to move: else a stream of others would keep it waiting for ever.
            self._changed.wait_for(lambda: not self._exclusive and not self._waiting)
            self._shared += 1
        try:
            yield
        finally:
            with self._changed:
                self._shared -= 1
                self._changed.notify_all()

    @contextmanager
    def moving_paths(self) -> Iterator[None]:
        """Nobody relies on a path in the block."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._exclusive and not self._shared)
            finally:
                self._waiting -= 1
            self._exclusive = True
        try:
            yield
        finally:
            with self._changed:
                self._exclusive = False
                self._changed.notify_all()
