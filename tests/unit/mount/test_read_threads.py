"""Threads that read: what comes back to whom, and what happens to calls that nobody waits for."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from artfs.mount.processors import OneProcessor
from artfs.mount.read_threads import ReadThreads

DEADLINE_S = 20.0


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        with trio.fail_after(DEADLINE_S):
            await main()

    trio.run(within)


def nothing() -> None:
    pass


def test_each_caller_gets_the_result_of_its_own_call() -> None:
    found: dict[int, int] = {}

    async def main() -> None:
        together = OneProcessor()
        threads = ReadThreads(together)

        async def read(number: int) -> None:
            found[number] = await threads.run(lambda: number * number, nothing)

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(read, number)
        together.scatter()

    run(main)
    assert found == {number: number * number for number in range(100)}


def test_calls_under_way_together_have_a_thread_each() -> None:
    async def main() -> None:
        threads, barrier = ReadThreads(), threading.Barrier(8)
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(threads.run, lambda: barrier.wait(DEADLINE_S), nothing)

    run(main)


def test_an_error_of_the_call_is_raised_where_it_was_called() -> None:
    def fail() -> None:
        raise OSError(5, "what went wrong")

    async def main() -> None:
        with pytest.raises(OSError, match="what went wrong"):
            await ReadThreads().run(fail, nothing)

    run(main)


def test_who_is_cancelled_goes_on_at_once_and_the_end_of_the_thread_is_told_later() -> None:
    release = threading.Event()

    async def main() -> None:
        threads, ended = ReadThreads(), trio.Event()
        with trio.CancelScope() as scope:
            scope.cancel()
            await threads.run(lambda: release.wait(DEADLINE_S), ended.set)
        assert scope.cancelled_caught
        assert not ended.is_set()
        release.set()
        await ended.wait()
        assert await threads.run(lambda: "another", nothing) == "another"

    run(main)


def test_many_calls_at_once_run_on_one_processor_and_afterwards_anywhere_again() -> None:
    free = os.sched_getaffinity(0)

    async def main() -> None:
        together = OneProcessor()
        together.gather([], 0.0)
        assert len(os.sched_getaffinity(0)) == 1
        assert not together.is_due(0.5)
        assert together.is_due(2.0)
        together.gather([], 2.0)  # the kernel chooses
        assert os.sched_getaffinity(0) == free
        together.gather([], 2.1)
        assert len(os.sched_getaffinity(0)) == 1
        together.scatter()
        assert os.sched_getaffinity(0) == free

    run(main)


def test_a_thread_that_a_bound_one_has_started_is_let_go() -> None:
    free, release = os.sched_getaffinity(0), threading.Event()
    together = OneProcessor()
    together.gather([], 0.0)
    thread = threading.Thread(target=release.wait, args=(DEADLINE_S,))
    thread.start()
    try:
        assert thread.native_id is not None
        together.gather([], 2.0)
        together.gather([], 2.1)
        assert os.sched_getaffinity(thread.native_id) == free
    finally:
        release.set()
        thread.join()
        together.scatter()
