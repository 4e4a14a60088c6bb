"""Asking a second time for what comes late: hedged requests, after Dean and Barroso, "The Tail at Scale", CACM 56 (2), 2013.

A connection that has lost packets may bring its bytes a second later than its neighbours bring theirs, and who reads in order waits
for it. Asked for again, over another connection, they are there at once; whichever answer comes first is taken. Late is what takes
several times as long as most have taken lately, so a store that is slow as a whole is not asked more. Few of all requests are made
twice, and small ones never: what they wait for is the store, not the line.

Has the interface of what it wraps, and changes nothing of it. Any thread; the lock guards what is remembered.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from functools import partial
from typing import Protocol, TypeVar

from typing_extensions import Buffer

from artfs.fork_hook import watch_forks
from artfs.objectstore.protocol import ObjectInfo, ObjectStore, Piece

T = TypeVar("T")

#: Shorter reads are never made twice.
LEAST_LENGTH = 1 << 20
#: Requests whose times tell what is usual, and how many there must have been.
_REMEMBERED = 16
LEAST_REMEMBERED = 8
#: Late is what takes so many times the usual time, and so long at least: less is made up for by what was read ahead.
_LATE_TIMES = 3.0
_LATE_S = 0.25
#: One of so many requests may be made twice, and so many in a row where none was for long.
_ONE_OF = 16
MOST_AGAIN = 2


class RequestThreads(Protocol):
    """Threads that make requests and wait for nothing else, more than there are requests at once."""

    def submit(self, call: Callable[[], T], /) -> Future[T]:
        """Have `call` called soon."""
        ...


class HedgedStore:
    """An ObjectStore over `inner`, whose long reads are made by `threads`. None is late before `late_s`."""

    def __init__(self, inner: ObjectStore, threads: RequestThreads, late_s: float = _LATE_S) -> None:
        self._inner = inner
        self._threads = threads
        self._least_late_s = late_s
        self._times_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._may_again = 1.0
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Take a new lock, as a thread of the parent may have held it."""
        self._lock = threading.Lock()

    @property
    def is_remote(self) -> bool:
        return self._inner.is_remote

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        self._inner.put(key, data)

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def read_range(self, key: str, offset: int, length: int) -> Piece:
        read = partial(self._inner.read_range, key, offset, length)
        if length < LEAST_LENGTH:
            return read()
        try:
            return self._read_in_time(partial(self._timed, read))
        except CancelledError:  # the threads were let go of before one came to it
            return read()

    def size(self, key: str) -> int:
        return self._inner.size(key)

    def has(self, key: str) -> bool:
        return self._inner.has(key)

    def delete(self, key: str) -> None:
        self._inner.delete(key)

    def iter_objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._inner.iter_objects(prefix)

    def _read_in_time(self, read: Callable[[], Piece]) -> Piece:
        first = self._threads.submit(read)
        late_s = self._late_s()
        wait([first], late_s)
        if first.done() or not self._take_one_more():
            return first.result()
        second = self._threads.submit(read)
        wait([first, second], return_when=FIRST_COMPLETED)
        earlier, later = (first, second) if first.done() else (second, first)
        return later.result() if earlier.exception() is not None else earlier.result()

    def _timed(self, read: Callable[[], Piece]) -> Piece:
        begun_s = time.monotonic()
        piece = read()
        with self._lock:
            self._times_s.append(time.monotonic() - begun_s)
            self._may_again = min(self._may_again + 1 / _ONE_OF, MOST_AGAIN)
        return piece

    def _late_s(self) -> float | None:
        """After how long a request is late; None, for never, where nobody knows yet what is usual."""
        with self._lock:
            times_s = list(self._times_s)
        return max(self._least_late_s, _LATE_TIMES * statistics.median(times_s)) if len(times_s) >= LEAST_REMEMBERED else None

    def _take_one_more(self) -> bool:
        with self._lock:
            is_allowed = self._may_again >= 1
            self._may_again -= is_allowed
        return is_allowed
