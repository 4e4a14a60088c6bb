"""What could not be had is remembered for a moment: those who queue for it, as the kernel makes them, shall not each wait for it.

Only what took long to fail is remembered: what fails at once is asked for again at once.

Any thread. There is no lock, as each step is one operation on a dict; whoever comes between two of them asks once more.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from artfs.errors import TransientError
from artfs.model.digest import Digest

#: So long is remembered what took at least so long to fail.
_REMEMBERED_S = 5.0
_LONG_S = 2.0
#: Failures that are remembered.
_MOST = 4096


class RecentFailures:
    """By the key of what was asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: The error, and until when it counts.
        self._failed: dict[Digest, tuple[TransientError, float]] = {}

    @contextmanager
    def asking(self, key: Digest) -> Iterator[None]:
        """In the block it is asked for. Raises in its place the error with which that has failed just now."""
        begun_s = self._clock()
        error, until_s = self._failed.get(key, (None, 0.0))
        if error is not None and begun_s < until_s:
            raise copy.copy(error)  # with a traceback of its own
        try:
            yield
        except TransientError as failure:
            now_s = self._clock()
            if now_s - begun_s >= _LONG_S:
                if len(self._failed) >= _MOST:
                    self._failed.clear()
                self._failed[key] = copy.copy(failure), now_s + _REMEMBERED_S
            raise
        self._failed.pop(key, None)
