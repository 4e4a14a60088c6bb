"""Which processor threads run on: those that take turns with the interpreter run on one while there are many of them.

Only one thread at a time has the interpreter. On several processors, each handing-over wakes another processor, and threads meet
at the lock that they could not have had anyway. Seen here on two processors, 2 000 files of 20 KiB by 16 readers: half the
CPU and half the changes of threads, and 1.6 times the files a second, with the threads together.

The processor is the one on which the kernel has put the event loop when it was free to choose; it is let choose again every second,
as others may want that processor. A thread or program inherits where it may run from the thread that starts it: whatever threads
were started by those that are together are let go within a second too, and so is everything once there are few. What somebody else
says of where threads may run (`taskset`, a container's processors) holds.

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
        can_bind = hasattr(os, "sched_setaffinity") and _TASKS.is_dir()
        self._current = getattr(ctypes.CDLL(None), "sched_getcpu", None) if can_bind else None
        #: Where the caller's thread may run when it is free.
        self._free: frozenset[int] = frozenset()
        #: Where threads are together, the caller's too unless the kernel chooses; None where all are free.
        self._bound: int | None = None
        self._is_choosing = False
        self._again_s = 0.0

    def note(self, threads: Iterable[int], now_s: float, *, are_many: bool) -> None:
        """Have `threads` (native ids) and the caller's together if they are many, and free if they are not: about once a second."""
        if self._current is None or now_s < self._again_s:
            return
        if are_many and (self._bound is None or self._is_choosing):
            self._gather({threading.get_native_id(), *threads}, self._current(), now_s)
        elif are_many:
            self._let_go([threading.get_native_id()])
            self._is_choosing, self._again_s = True, now_s + _CHOOSE_S
        elif self._bound is not None:
            self.scatter()
            self._again_s = now_s + _CHOOSE_S

    def scatter(self) -> None:
        """All threads run anywhere again."""
        if self._bound is not None:
            self._let_go(_threads_of_process())
            self._bound, self._is_choosing, self._again_s = None, False, 0.0

    def _gather(self, here: set[int], processor: int, now_s: float) -> None:
        """Keep the threads `here` on the processor. That of the caller is free: so it shows what is allowed now."""
        if self._bound is not None:
            self._let_go(_threads_of_process() - here)
        self._free = frozenset(os.sched_getaffinity(0))
        if processor in self._free and len(self._free) > 1:
            _bind(here, {processor})
            self._bound = processor
        self._is_choosing, self._again_s = False, now_s + _STAY_S

    def _let_go(self, threads: Iterable[int]) -> None:
        for thread in threads:
            with suppress(OSError):  # it has ended
                # Any other processors were chosen by somebody else.
                if os.sched_getaffinity(thread) == {self._bound}:
                    _bind([thread], self._free)


def _bind(threads: Iterable[int], processors: Iterable[int]) -> None:
    for thread in threads:
        with suppress(OSError):  # it has ended
            os.sched_setaffinity(thread, processors)


def _threads_of_process() -> set[int]:
    return {int(task.name) for task in _TASKS.iterdir()}
