"""The threads that read: a call goes in, its result comes back to the task that waits.

What `trio.to_thread` does, cheaper for short calls: that names the thread twice a call, and wakes the event loop
for each result. Here threads keep their name, and results that come together wake the loop once. Who is cancelled goes on at once;
the thread finishes by itself. There are as many threads as calls were under way at a time; those that nobody needs end.

Threads: `run` and all `_on_loop` methods on the event loop. A worker touches the queue and `_done` only, which are safe, and
`_is_told`: a worker sets it after it has put its result into `_done`, the loop takes it back before it empties `_done`. So no
result is left behind; at worst the loop is told twice.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import outcome
import trio

from artfs.errors import StoreUnavailable
from artfs.mount.processors import OneProcessor

T = TypeVar("T")

_NAME = "artfs-read"
#: A thread that had nothing to do for so long asks whether it is needed. Not longer: that is how all are let go that are together
#: on one processor when nobody reads any more.
_IDLE_S = 2.0
#: So many calls at once make threads get into each other's way.
_MANY = 3


class _Call:
    """A call under way. `task` is None when nobody waits any more; `result` is there when the thread is through."""

    __slots__ = ("call", "context", "on_end", "result", "task")

    def __init__(self, call: Callable[[], Any], on_end: Callable[[], None]) -> None:
        self.call = call
        self.on_end = on_end
        self.context = contextvars.copy_context()
        self.task: trio.lowlevel.Task | None = trio.lowlevel.current_task()
        self.result: outcome.Outcome[Any] | None = None

    def abandon(self, _: object) -> trio.lowlevel.Abort:
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED


class ReadThreads:
    """As many threads as are needed; whoever calls bounds how many that are."""

    def __init__(self, together: OneProcessor | None = None) -> None:
        self._together = together
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._done: deque[_Call] = deque()
        self._is_told = False
        self._under_way = 0
        self._threads: set[int] = set()
        #: Threads but for those that were told to end: which one takes that from the queue is known when it has.
        self._staying = 0

    async def run(self, call: Callable[[], T], on_end: Callable[[], None]) -> T:
        """`call()` in a thread. `on_end` is called on the event loop when the thread is through, even if nobody waits any more.

        Raises StoreUnavailable, after `on_end`, where no thread can be had.
        """
        mine = _Call(call, on_end)
        if self._under_way >= self._staying:
            # Before the call is queued: a task that has gone by an error must not be told of its result.
            self._start(on_end)
        self._under_way += 1
        self._calls.put(mine)
        if self._together is not None:
            self._together.note(self._threads, trio.current_time(), are_many=self._under_way >= _MANY)
        result: outcome.Outcome[T] = await trio.lowlevel.wait_task_rescheduled(mine.abandon)
        return result.unwrap()

    def _start(self, on_end: Callable[[], None]) -> None:
        token = trio.lowlevel.current_trio_token()
        thread = threading.Thread(target=self._work, args=(token,), name=_NAME, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if self._staying:
                return  # the call waits for one of those
            on_end()
            raise StoreUnavailable(
                "no thread to read with can be started, as too many run: end some, or try again later"
            ) from error
        self._threads.add(thread.native_id or 0)
        self._staying += 1

    def _work(self, token: trio.lowlevel.TrioToken) -> None:
        with suppress(trio.RunFinishedError):
            while True:
                try:
                    mine = self._calls.get(timeout=_IDLE_S)
                except Empty:
                    token.run_sync_soon(self._dismiss_on_loop)
                    continue
                if mine is None:
                    token.run_sync_soon(self._threads.discard, threading.get_native_id())
                    return
                mine.result = outcome.capture(mine.context.run, mine.call)
                self._done.append(mine)
                del mine  # what was read is not to be held until the next call
                if not self._is_told:
                    self._is_told = True
                    token.run_sync_soon(self._deliver_on_loop)

    def _deliver_on_loop(self) -> None:
        self._is_told = False
        while self._done:
            mine = self._done.popleft()
            self._under_way -= 1
            mine.on_end()
            if mine.task is not None and mine.result is not None:
                # As a value: an outcome that is an error would be raised in the middle of trio.
                trio.lowlevel.reschedule(mine.task, outcome.Value(mine.result))

    def _dismiss_on_loop(self) -> None:
        if self._together is not None and self._under_way < _MANY:
            self._together.scatter()
        if self._staying > self._under_way:
            self._staying -= 1
            self._calls.put(None)
