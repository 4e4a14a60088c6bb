"""Which processor threads run on: those that take turns with the interpreter run on one while there are many of them.

Only one thread at a time has the interpreter. On several processors, each handing-over wakes another processor, and threads meet
at the lock that they could not have had anyway. Seen here on two processors, 2 000 files of 20 KiB by 16 readers: half the
CPU and half the changes of threads, and 1.6 times the files a second, with the threads together.

The processor is the one on which the kernel has put the event loop when it was free to choose; it is let choose again every second.
All threads that are not named are free to run anywhere: a thread inherits where it may run from the one that has started it.

Linux only; where it is refused, everything stays as it is. The event loop's thread only.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")
#: How long threads stay on a processor before the kernel chooses anew, and how long it is given for that.
_STAY_S = 1.0
_CHOOSE_S = 0.02


class OneProcessor:
    """Has the threads that it is told of run where the thread of the caller runs."""

    def __init__(self) -> None:
        self._free = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
        self._current = getattr(ctypes.CDLL(None), "sched_getcpu", None) if len(self._free) > 1 else None
        self._again_s = 0.0
        self._is_bound = False

    def is_due(self, now_s: float) -> bool:
        """True when `gather` would do something."""
        return now_s >= self._again_s and self._current is not None

    def gather(self, threads: Iterable[int], now_s: float) -> None:
        """Keep `threads` (native ids) and the caller's on one processor, or let the kernel choose which one it shall be."""
        if self._is_bound:
            self._let_go([threading.get_native_id()])
            self._is_bound, self._again_s = False, now_s + _CHOOSE_S
        elif self._current is not None:
            here = {threading.get_native_id(), *threads}
            self._let_go(_threads_of_process() - here)
            self._bind(here, {self._current()})
            self._is_bound, self._again_s = True, now_s + _STAY_S

    def scatter(self) -> None:
        """All threads run anywhere again."""
        if self._again_s:
            self._let_go(_threads_of_process())
            self._is_bound, self._again_s = False, 0.0

    def _let_go(self, threads: Iterable[int]) -> None:
        self._bind(threads, self._free)

    @staticmethod
    def _bind(threads: Iterable[int], processors: Iterable[int]) -> None:
        for thread in threads:
            with suppress(OSError):  # it has ended
                os.sched_setaffinity(thread, processors)


def _threads_of_process() -> set[int]:
    return {int(task.name) for task in _TASKS.iterdir()}
