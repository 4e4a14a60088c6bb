"""Threads that read: what comes back to whom, and what happens to calls that nobody waits for."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
import trio.testing

from artfs.errors import StoreUnavailable
from artfs.mount.processors import OneProcessor
from artfs.mount.read_threads import ReadThreads

DEADLINE_S = 20.0

several_processors = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor is all there is")


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        with trio.fail_after(DEADLINE_S):
            await main()

    trio.run(within)


def nothing() -> None:
    pass


@contextmanager
def a_thread() -> Iterator[int]:
    """The native id of a thread that waits."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait, args=(DEADLINE_S,))
    thread.start()
    try:
        assert thread.native_id is not None
        yield thread.native_id
    finally:
        release.set()
        thread.join()


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


def test_a_thread_that_is_told_to_end_is_not_counted_on() -> None:
    async def main() -> None:
        threads = ReadThreads()
        await threads.run(nothing, nothing)
        threads._dismiss_on_loop()
        assert await threads.run(lambda: "another thread", nothing) == "another thread"

    run(main)


def test_where_no_thread_can_be_had_the_read_fails_and_its_slot_is_given_back() -> None:
    async def main() -> None:
        threads, ended = ReadThreads(), trio.Event()
        threading.stack_size(1 << 50)  # which nobody has
        try:
            with pytest.raises(StoreUnavailable, match="no thread to read with"):
                await threads.run(nothing, ended.set)
        finally:
            threading.stack_size(0)
        assert ended.is_set()
        assert await threads.run(lambda: "later", nothing) == "later"

    run(main)


def test_where_no_more_threads_can_be_had_calls_wait_for_those_that_are_there() -> None:
    begun, release = threading.Event(), threading.Event()
    found: list[str] = []

    def first() -> None:
        begun.set()
        release.wait(DEADLINE_S)

    async def main() -> None:
        threads = ReadThreads()

        async def second() -> None:
            found.append(await threads.run(lambda: "second", nothing))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(threads.run, first, nothing)
            await trio.testing.wait_all_tasks_blocked()
            threading.stack_size(1 << 50)
            try:
                nursery.start_soon(second)
                await trio.testing.wait_all_tasks_blocked()
            finally:
                threading.stack_size(0)
            release.set()

    run(main)
    assert begun.is_set()
    assert found == ["second"]


@several_processors
def test_many_calls_at_once_run_on_one_processor_and_afterwards_anywhere_again() -> None:
    free, together = os.sched_getaffinity(0), OneProcessor()
    together.note([], 0.0, are_many=False)
    assert os.sched_getaffinity(0) == free
    together.note([], 0.0, are_many=True)
    assert len(os.sched_getaffinity(0)) == 1
    together.note([], 0.5, are_many=True)
    assert len(os.sched_getaffinity(0)) == 1
    together.note([], 2.0, are_many=True)  # the kernel chooses
    assert os.sched_getaffinity(0) == free
    together.note([], 2.1, are_many=True)
    assert len(os.sched_getaffinity(0)) == 1
    together.scatter()
    assert os.sched_getaffinity(0) == free


@several_processors
def test_threads_are_free_again_when_they_are_few_although_some_still_read() -> None:
    free, together = os.sched_getaffinity(0), OneProcessor()
    together.note([], 0.0, are_many=True)
    together.note([], 0.5, are_many=False)
    assert len(os.sched_getaffinity(0)) == 1
    together.note([], 2.0, are_many=False)
    assert os.sched_getaffinity(0) == free


@several_processors
def test_a_thread_that_a_bound_one_has_started_is_let_go() -> None:
    free, together = os.sched_getaffinity(0), OneProcessor()
    together.note([], 0.0, are_many=True)
    with a_thread() as thread:
        assert os.sched_getaffinity(thread) != free
        together.note([], 2.0, are_many=True)
        together.note([], 2.1, are_many=True)
        assert os.sched_getaffinity(thread) == free
        together.scatter()


@several_processors
def test_a_thread_that_somebody_else_has_put_somewhere_stays_there() -> None:
    free, together = os.sched_getaffinity(0), OneProcessor()
    with a_thread() as mine, a_thread() as reading:
        together.note([reading], 0.0, are_many=True)
        elsewhere = {min(free - os.sched_getaffinity(0))}
        for thread in (mine, reading):
            os.sched_setaffinity(thread, elsewhere)
        together.scatter()
        for thread in (mine, reading):
            assert os.sched_getaffinity(thread) == elsewhere


@several_processors
def test_when_somebody_else_has_moved_the_callers_thread_that_holds_from_then_on() -> None:
    free, together = os.sched_getaffinity(0), OneProcessor()
    together.note([], 0.0, are_many=True)
    elsewhere = {min(free - os.sched_getaffinity(0))}
    try:
        os.sched_setaffinity(0, elsewhere)
        for now_s in (2.0, 2.1, 4.0, 4.1):
            together.note([], now_s, are_many=True)
            assert os.sched_getaffinity(0) == elsewhere
        together.scatter()
        assert os.sched_getaffinity(0) == elsewhere
    finally:
        os.sched_setaffinity(0, free)
