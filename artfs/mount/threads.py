"""Where the mount crosses into threads, and the only place; the threads that read are in `read_threads`.

Everything that may wait for a disk, a database or a network runs in a worker thread, with a deadline: when it passes, the caller
gets an error and the thread is left to finish by itself. Reading has slots of its own (`slots`), one set for the object store and
one for each server of references: one that is stuck takes up its own threads and nothing else. `ls` and other servers go on.

Runs on the event loop. What is started here is never waited for under a lock of ours.
"""

from __future__ import annotations

import errno
import functools
import math
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import trio

from artfs.chunks.near import NotNear, Reach
from artfs.errors import ArtfsError, ReferenceUnavailable, StoreUnavailable, TransientError
from artfs.mount.processors import OneProcessor
from artfs.mount.read_threads import ReadThreads
from artfs.mount.slots import HomeSlots

T = TypeVar("T")

DEFAULT_DEADLINE_S = 60.0
#: Names, attributes, writes to staging.
_GENERAL_SLOTS = 32
#: Opening a file of staging for writing and the like, which waits for the store when the file is still the base's.
_CHANGE_SLOTS = 16
#: Content of versions. More threads than processors, as most of them wait for the store.
_CONTENT_SLOTS = 24
#: Reads of what is in memory or in the cache on the disk, while those who wait for the store have taken its slots.
_NEAR_SLOTS = 8
#: References of one server: as many as a program with 16 threads has under way, and its read-ahead.
_REFERENCE_SLOTS = 32
#: Requests that may wait for one home from which nothing comes; see `slots`.
_MOST_WAITING = 192
#: The same where the kernel lets 12 reads out in all.
_MOST_WAITING_OF_FEW = 4
#: The part of a deadline after which a home from which nothing came is taken to be stuck.
_STALLED_PART = 1 / 6
#: The part of a deadline for which others are refused after a read has failed because nothing came from the store.
_PAUSE_PART = 1 / 20
#: Servers of references whose slots are remembered; those that nobody waits for are forgotten first.
_MOST_HOMES = 256
#: Reads that the kernel may have under way for its read-ahead: many stuck homes' worth of them.
MOST_BACKGROUND = 1024
#: FUSE tasks in all: what is no read-ahead always finds one. A task that waits costs a buffer of which one page is used.
MOST_TASKS = MOST_BACKGROUND + 256


class Threads:
    """Runs blocking calls for the handlers. `deadline_s` is how long one may take; `together` is for small reads."""

    def __init__(self, deadline_s: float = DEFAULT_DEADLINE_S, together: OneProcessor | None = None) -> None:
        self.deadline_s = deadline_s
        self._general = trio.CapacityLimiter(_GENERAL_SLOTS)
        self._changes = trio.CapacityLimiter(_CHANGE_SLOTS)
        self._unbounded = trio.CapacityLimiter(_GENERAL_SLOTS)
        self._most_waiting = _MOST_WAITING
        self._content = HomeSlots(
            _CONTENT_SLOTS, _MOST_WAITING, deadline_s * _STALLED_PART, _store_is_stuck, deadline_s * _PAUSE_PART
        )
        self._near = trio.CapacityLimiter(_NEAR_SLOTS)
        self._homes: OrderedDict[str, HomeSlots] = OrderedDict()
        self._small_reads = ReadThreads(together)
        self._large_reads = ReadThreads()
        self._reading: set[trio.CancelScope] = set()
        self._is_over = False

    async def run(self, call: Callable[..., T], *arguments: Any, discard: Callable[[T], None] | None = None) -> T:
        """`call(*arguments)` in a thread; StoreUnavailable when the deadline passes. A result that comes later is discarded."""
        return await self._deliver(functools.partial(self._run, self._general), call, arguments, discard)

    async def change(self, call: Callable[..., T], *arguments: Any, discard: Callable[[T], None] | None = None) -> T:
        """The same for a change in staging that may have to bring content of a version first."""
        return await self._deliver(functools.partial(self._run, self._changes), call, arguments, discard)

    async def bring(self, origin: str, call: Callable[..., T], *arguments: Any, discard: Callable[[T], None] | None = None) -> T:
        """The same for a change that may have to copy a whole reference of the server `origin` first.

        Without a deadline: it takes as long as bytes come, and each request to the server has a bound of its own.
        """
        home, scope = self._home(origin), trio.CancelScope()

        async def run(call: Callable[..., T], arguments: tuple[Any, ...]) -> T:
            return await self._take_turn(home, scope, call, arguments, math.inf)

        return await self._deliver(run, call, arguments, discard)

    @staticmethod
    async def _deliver(
        run: Callable[[Callable[..., T], tuple[Any, ...]], Awaitable[T]],
        call: Callable[..., T],
        arguments: tuple[Any, ...],
        discard: Callable[[T], None] | None,
    ) -> T:
        if discard is None:
            return await run(call, arguments)
        delivery = _Delivery(call, discard)
        try:
            return await run(delivery, arguments)
        except BaseException:
            delivery.give_up()
            raise

    async def read(self, call: Callable[..., T], *arguments: Any, origin: str | None = None, is_large: bool = False) -> T:
        """The same for reading what the object store has, or the server `origin` of references: with its slots and no others.

        `is_large` says that it takes a processor for longer than it has the interpreter.
        """
        home = self._home(origin)
        # The store is given its time again: all that is read comes from it, and it may be a disk that has just woken up.
        deadline_s = self.deadline_s * _STALLED_PART if origin is not None and home.is_suspect else self.deadline_s
        with trio.CancelScope(deadline=trio.current_time() + deadline_s) as scope:
            self._reading.add(scope)
            try:
                return await self._take_turn(home, scope, call, arguments, deadline_s, is_large=is_large)
            finally:
                self._reading.discard(scope)
        if self._is_over:
            raise OSError(errno.ENOTCONN, "the mount is gone")
        raise _server_is_too_late(origin, deadline_s) if origin is not None else self._store_is_too_late()

    def end_reads(self) -> None:
        """The mount is gone: wait for nothing that is being read. The threads are left to finish by themselves."""
        self._is_over = True
        for scope in self._reading:
            scope.cancel()

    def expect_few_reads(self) -> None:
        """The kernel lets few reads out at once: no home that is stuck may have many of them."""
        self._most_waiting = _MOST_WAITING_OF_FEW
        for home in (self._content, *self._homes.values()):
            home.most_waiting = self._most_waiting

    def _home(self, origin: str | None) -> HomeSlots:
        if origin is None:
            return self._content
        home = self._homes.get(origin)
        if home is None:
            stalled_s = self.deadline_s * _STALLED_PART
            home = self._homes[origin] = HomeSlots(
                _REFERENCE_SLOTS, self._most_waiting, stalled_s, functools.partial(_server_is_stuck, origin)
            )
            self._forget_idle_homes()
        self._homes.move_to_end(origin)
        return home

    def _forget_idle_homes(self) -> None:
        for origin in list(self._homes):
            if len(self._homes) <= _MOST_HOMES:
                return
            if self._homes[origin].is_idle:
                del self._homes[origin]

    async def _take_turn(
        self,
        home: HomeSlots,
        scope: trio.CancelScope,
        call: Callable[..., T],
        arguments: tuple[Any, ...],
        deadline_s: float,
        *,
        is_large: bool = True,
    ) -> T:
        threads = self._large_reads if is_large else self._small_reads
        with home.request():
            slot, read = object(), _Read(call, arguments, Reach())
            if not await home.take_turn_soon(slot):
                if home is self._content:
                    with suppress(NotNear):
                        return await self._read_near(threads, call, arguments)
                await home.wait_for_turn(slot, scope, deadline_s)
            try:
                return await threads.run(read, functools.partial(self._end, home, slot, read))
            except ArtfsError as error:
                if not isinstance(error, TransientError):  # a refusal is an answer too
                    self._answered(home, read)
                raise

    def _end(self, home: HomeSlots, slot: object, read: _Read[Any]) -> None:
        """The thread is through, perhaps long after the deadline."""
        home.give_back(slot)
        if read.has_come:
            self._answered(home, read)

    def _answered(self, home: HomeSlots, read: _Read[Any]) -> None:
        # What came out of the cache on the disk says nothing of the store.
        home.answered(by_home=read.reach.is_far or home is not self._content)

    async def _read_near(self, threads: ReadThreads, call: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        """The result, if the store need not be asked for it. Raises NotNear."""
        slot = object()
        await self._near.acquire_on_behalf_of(slot)
        read = _Read(call, arguments, Reach(only_near=True))
        return await threads.run(read, functools.partial(self._near.release_on_behalf_of, slot))

    def _store_is_too_late(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"no answer within {self.deadline_s:g} s: the store or the disk is stuck or too slow; try again later"
        )

    async def finish(self, call: Callable[..., T], *arguments: Any) -> T:
        """The same without a deadline, for what takes as long as it takes and must not be left half waited for: a commit."""
        return await trio.to_thread.run_sync(functools.partial(call, *arguments), limiter=self._unbounded)

    async def _run(self, limiter: trio.CapacityLimiter, call: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        with trio.move_on_after(self.deadline_s):
            return await trio.to_thread.run_sync(call, *arguments, abandon_on_cancel=True, limiter=limiter)
        raise self._store_is_too_late()


class _Read(Generic[T]):
    """A call that reads, how far it went, and whether it returned something."""

    __slots__ = ("_arguments", "_call", "has_come", "reach")

    def __init__(self, call: Callable[..., T], arguments: tuple[Any, ...], reach: Reach) -> None:
        self._call = call
        self._arguments = arguments
        self.reach = reach
        self.has_come = False

    def __call__(self) -> T:
        with self.reach.entered():
            result = self._call(*self._arguments)
        self.has_come = True
        return result


def _server_is_too_late(origin: str, deadline_s: float) -> ArtfsError:
    return ReferenceUnavailable(
        f"no answer from {origin} within {deadline_s:g} s: the server is stuck or too slow; try again later"
    )


def _store_is_stuck(quiet_s: float) -> ArtfsError:
    return StoreUnavailable(f"nothing came from the store for {quiet_s:.0f} s, and others wait for it: try again in a few seconds")


def _server_is_stuck(origin: str, quiet_s: float) -> ArtfsError:
    return ReferenceUnavailable(f"too many reads wait for {origin}, from which nothing came for {quiet_s:.0f} s: try again later")


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
