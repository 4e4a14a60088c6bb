"""Where the mount crosses into threads, and the only place.

Everything that may wait for a disk, a database or a network runs in a worker thread, with a deadline: when it passes, the caller
gets an error and the thread is left to finish by itself. Reading content has slots of its own, fewer than there are FUSE tasks, so
that a stuck object store takes up reading threads and nothing else: `ls` goes on.

Runs on the event loop. What is started here is never waited for under a lock of ours.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import trio

from artfs.errors import StoreUnavailable

T = TypeVar("T")

DEFAULT_DEADLINE_S = 60.0
#: Names, attributes, writes to staging.
_GENERAL_SLOTS = 32
#: Opening a file of staging for writing and the like, which waits for the store when the file is still the base's.
_CHANGE_SLOTS = 16
#: Content of versions. More threads than processors, as most of them wait for the store.
_CONTENT_SLOTS = 24
#: Requests that may wait for content at once; the rest of the FUSE tasks stays free for everything else.
MOST_CONTENT_REQUESTS = 256
#: FUSE tasks in all. A task that waits costs a buffer of which one page is used.
MOST_TASKS = MOST_CONTENT_REQUESTS + 256


class Threads:
    """Runs blocking calls for the handlers. `deadline_s` is how long one may take."""

    def __init__(self, deadline_s: float = DEFAULT_DEADLINE_S) -> None:
        self.deadline_s = deadline_s
        self._general = trio.CapacityLimiter(_GENERAL_SLOTS)
        self._changes = trio.CapacityLimiter(_CHANGE_SLOTS)
        self._content = trio.CapacityLimiter(_CONTENT_SLOTS)
        self._unbounded = trio.CapacityLimiter(_GENERAL_SLOTS)
        self._content_requests = 0

    async def run(self, call: Callable[..., T], *arguments: Any, discard: Callable[[T], None] | None = None) -> T:
        """`call(*arguments)` in a thread; StoreUnavailable when the deadline passes. A result that comes later is discarded."""
        return await self._deliver(self._general, call, arguments, discard)

    async def change(self, call: Callable[..., T], *arguments: Any, discard: Callable[[T], None] | None = None) -> T:
        """The same for a change in staging that may have to bring content of a version first."""
        return await self._deliver(self._changes, call, arguments, discard)

    async def _deliver(
        self,
        limiter: trio.CapacityLimiter,
        call: Callable[..., T],
        arguments: tuple[Any, ...],
        discard: Callable[[T], None] | None,
    ) -> T:
        if discard is None:
            return await self._run(limiter, call, arguments)
        delivery = _Delivery(call, discard)
        try:
            return await self._run(limiter, delivery, arguments)
        except BaseException:
            delivery.give_up()
            raise

    async def read(self, call: Callable[..., T], *arguments: Any) -> T:
        """The same for reading content, which may take all its slots and no others."""
        if self._content_requests >= MOST_CONTENT_REQUESTS:
            raise StoreUnavailable(f"{MOST_CONTENT_REQUESTS} reads are waiting for the store already: try again later")
        self._content_requests += 1
        try:
            return await self._run(self._content, call, arguments)
        finally:
            self._content_requests -= 1

    async def finish(self, call: Callable[..., T], *arguments: Any) -> T:
        """The same without a deadline, for what takes as long as it takes and must not be left half waited for: a commit."""
        return await trio.to_thread.run_sync(functools.partial(call, *arguments), limiter=self._unbounded)

    async def _run(self, limiter: trio.CapacityLimiter, call: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        with trio.move_on_after(self.deadline_s):
            return await trio.to_thread.run_sync(call, *arguments, abandon_on_cancel=True, limiter=limiter)
        raise StoreUnavailable(
            f"no answer within {self.deadline_s:g} s: the store or the disk is stuck or too slow; try again later"
        )


class _Delivery(Generic[T]):
    """A call whose result is discarded when it comes after everybody has gone."""

    def __init__(self, call: Callable[..., T], discard: Callable[[T], None]) -> None:
        self._call = call
        self._discard = discard
        self._lock = threading.Lock()
        self._given_up = False
        self._results: list[T] = []

    def __call__(self, *arguments: Any) -> T:
        result = self._call(*arguments)
        with self._lock:
            if self._given_up:
                self._discard(result)
            else:
                self._results.append(result)
        return result

    def give_up(self) -> None:
        """Nobody takes the result; called on the event loop after the call failed or the deadline passed."""
        with self._lock:
            self._given_up = True
            late = list(self._results)
        for result in late:
            self._discard(result)
