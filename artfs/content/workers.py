"""A few threads that fetch ahead, and never keep a process from ending.

The threads of an executor are waited for when the interpreter ends, however long a server does not answer. These are daemons: what
they do is only ever a convenience for somebody who reads. They are started when there is something to do; a forked child, into
which threads do not come along, starts its own (`fork_hook`).

Any thread. The lock guards the counts; the queue is itself safe for threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from artfs.fork_hook import watch_forks

T = TypeVar("T")
_Calls = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]


class Workers:
    """At most `most` threads, named `name`."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Nothing is asked for, and there are no threads. What the parent has asked for is the parent's."""
        self._lock = threading.Lock()
        self._calls: _Calls = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._open = 0

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Have `call` called in one of the threads, in the order of asking."""
        future: Future[T] = Future()
        with self._lock:
            self._calls.put((future, call))
            self._open += 1
            if self._open > len(self._threads) < self._most:
                thread = threading.Thread(target=self._work, args=(self._calls,), name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def close(self, *, wait: bool) -> None:
        """Cancel what has not begun and end the threads; wait for what has begun, if told to."""
        with self._lock:
            threads, calls = self._threads, self._calls
            self._threads, self._calls, self._open = [], SimpleQueue(), 0
        try:
            while call := calls.get_nowait():
                if call[0].cancel():
                    call[0].set_running_or_notify_cancel()  # else who waits in `wait` is not told
        except Empty:
            pass
        for _ in threads:
            calls.put(None)
        for thread in threads if wait else ():
            thread.join()

    def _work(self, calls: _Calls) -> None:
        while (item := calls.get()) is not None:
            future, call = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001  whoever waits for the result is told
                    future.set_exception(error)
            with self._lock:
                if calls is self._calls:
                    self._open -= 1
            del item, future, call  # what was fetched is not to be held until the next call
