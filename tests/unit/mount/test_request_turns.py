"""Taking requests in a row: who has the turn, and that the event loop looks after everybody else in between."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import pyfuse3
import trio
import trio.testing

from artfs.mount.request_turns import MOST_IN_A_ROW, Requests, Turn

DEADLINE_S = 20.0


class Wakings(trio.abc.Instrument):
    """How often each task ran."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.counts[task.name] = self.counts.get(task.name, 0) + 1


class Rounds(trio.abc.Instrument):
    """How often the event loop has looked who can go on."""

    def __init__(self) -> None:
        self.count = 0

    def after_io_wait(self, timeout: float) -> None:
        self.count += 1


def run(main: Callable[[], Awaitable[None]], *instruments: trio.abc.Instrument) -> None:
    async def within() -> None:
        with trio.fail_after(DEADLINE_S):
            await main()

    trio.run(within, instruments=instruments)


def test_who_goes_on_keeps_the_turn_and_wakes_one_of_those_who_wait_once() -> None:
    wakings, turn = Wakings(), Turn()
    taken: list[str] = []
    names = ["a", "b", "c"]

    async def take(name: str, times: int) -> None:
        for _ in range(times):
            async with turn:
                taken.append(name)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            async with turn:
                for name in names:
                    nursery.start_soon(take, name, 1, name=name)
                await trio.testing.wait_all_tasks_blocked()
            wakings.counts.clear()
            await take("first", 100)

    run(main, wakings)
    assert taken[:100] == ["first"] * 100
    assert sorted(taken[100:]) == names
    assert [wakings.counts[name] for name in names] == [1, 1, 1]


def test_one_at_a_time_has_the_turn_also_where_it_waits() -> None:
    turn = Turn()
    inside = 0

    async def take() -> None:
        nonlocal inside
        for _ in range(5):
            async with turn:
                inside += 1
                assert inside == 1
                await trio.lowlevel.checkpoint()
                inside -= 1

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(take)

    run(main)


def test_who_is_cancelled_while_it_waits_does_not_keep_the_turn_from_others() -> None:
    turn = Turn()

    async def main() -> None:
        cancelled, taken = trio.CancelScope(), trio.Event()

        async def wait_in_vain() -> None:
            with cancelled:
                async with turn:
                    raise AssertionError("it was cancelled")

        async def wait() -> None:
            async with turn:
                taken.set()

        async with trio.open_nursery() as nursery:
            async with turn:
                nursery.start_soon(wait_in_vain)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                cancelled.cancel()
                await trio.testing.wait_all_tasks_blocked()
            await taken.wait()

    run(main)


def test_requests_that_are_there_are_taken_in_a_row_until_the_event_loop_looks_after_everybody_else() -> None:
    rounds = Rounds()

    async def main() -> None:
        reading, writing = os.pipe()
        os.write(writing, b"a request")
        requests = Requests()
        for _ in range(3):
            before = rounds.count
            for _ in range(MOST_IN_A_ROW):
                await requests.wait_readable(reading)
            assert rounds.count == before
            await requests.wait_readable(reading)
            assert rounds.count == before + 1
        os.close(reading)
        os.close(writing)

    run(main, rounds)


def test_where_no_request_is_there_one_is_waited_for() -> None:
    async def main() -> None:
        reading, writing = os.pipe()
        requests, came = Requests(), trio.Event()

        async def wait() -> None:
            await requests.wait_readable(reading)
            came.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            assert not came.is_set()
            os.write(writing, b"a request")
            await came.wait()
        os.close(reading)
        os.close(writing)

    run(main)


def test_pyfuse3_takes_its_event_loop_from_a_name_that_can_be_another() -> None:
    assert pyfuse3.trio is trio  # type: ignore[attr-defined]
