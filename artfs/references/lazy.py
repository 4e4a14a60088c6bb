"""A home that is opened when its first URI is met: what talks to a network takes long to import, and few need it. Any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from artfs.model.entry import Reference
from artfs.references.protocol import Fetched, Found, Home


class LazyHome:
    """`open_home` is called once, or again where it raised: a missing package may be installed meanwhile."""

    def __init__(self, open_home: Callable[[], Home]) -> None:
        self._open_home = open_home
        self._lock = threading.Lock()
        self._opened: Home | None = None

    def expand(self, uri: str) -> Iterator[Found]:
        return self._home.expand(uri)

    def look(self, reference: Reference) -> Reference:
        return self._home.look(reference)

    def fetch(self, reference: Reference, offset: int, length: int) -> Fetched:
        return self._home.fetch(reference, offset, length)

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    @property
    def _home(self) -> Home:
        # The lock is not for every call: one that is held while another thread forks is never released in the child.
        opened = self._opened
        if opened is None:
            with self._lock:
                opened = self._opened = self._opened or self._open_home()
        return opened
