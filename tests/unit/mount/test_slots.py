"""Slots of homes that answer and of homes that do not, on a clock that jumps."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import trio
import trio.testing

from artfs.errors import ArtfsError, ReferenceUnavailable, StoreUnavailable
from artfs.mount.slots import HomeSlots
from artfs.mount.threads import Threads

STUCK = "https://stuck.example"
OTHER = "https://other.example"


@contextmanager
def released_at_the_end() -> Iterator[threading.Event]:
    release = threading.Event()
    try:
        yield release
    finally:
        release.set()


@pytest.mark.parametrize("stuck", [STUCK, None])
def test_a_stuck_home_leaves_the_others_alone(stuck: str | None) -> None:
    async def main() -> None:
        threads = Threads(30)
        async with trio.open_nursery() as nursery:
            with released_at_the_end() as release:
                for _ in range(90):
                    nursery.start_soon(partial(threads.read, release.wait, origin=stuck))
                await trio.testing.wait_all_tasks_blocked()
                assert await threads.read(lambda: "content", origin=OTHER if stuck is None else None) == "content"
                assert await threads.read(lambda: "another", origin="s3://bucket") == "another"
                assert await threads.run(lambda: "names") == "names"

    trio.run(main)


def test_reads_of_a_stuck_server_end_with_its_name_when_the_deadline_passes() -> None:
    errors: list[ReferenceUnavailable] = []

    async def read(threads: Threads, release: threading.Event) -> None:
        with pytest.raises(ReferenceUnavailable) as caught:
            await threads.read(release.wait, origin=STUCK)
        errors.append(caught.value)

    async def main() -> None:
        threads = Threads(0.05)
        with released_at_the_end() as release:
            async with trio.open_nursery() as nursery:
                for _ in range(40):
                    nursery.start_soon(read, threads, release)

    trio.run(main)
    assert len(errors) == 40
    assert f"no answer from {STUCK} within 0.05 s" in str(errors[0])


def test_a_server_that_kept_somebody_waiting_is_given_less_time_until_it_answers() -> None:
    async def main() -> None:
        threads = Threads(1.2)
        with released_at_the_end() as release:
            for within in ("1.2 s", "0.2 s", "0.2 s"):
                with pytest.raises(ReferenceUnavailable, match=f"within {within}"):
                    await threads.read(release.wait, origin=STUCK)
            assert await threads.read(lambda: "answered", origin=STUCK) == "answered"
            with pytest.raises(ReferenceUnavailable, match=r"within 1\.2 s"):
                await threads.read(release.wait, origin=STUCK)

    trio.run(main)


def refusal(quiet_s: float) -> ArtfsError:
    return StoreUnavailable(f"nothing for {quiet_s:g} s")


class SlowHome:
    """A home with slots and as many requests as are told to begin; each is answered when told."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.slots = HomeSlots(2, 4, 10.0, refusal)
        self.errors: list[str] = []
        self.late = 0
        self.served = 0
        self._nursery = nursery
        self._answers: list[trio.Event] = []

    def begin(self, count: int) -> None:
        for _ in range(count):
            self._nursery.start_soon(self._request)

    async def answer(self) -> None:
        self._answers.pop(0).set()
        await trio.testing.wait_all_tasks_blocked()

    async def _request(self) -> None:
        try:
            with trio.CancelScope(deadline=trio.current_time() + 60) as scope, self.slots.request():
                me, event = object(), trio.Event()
                await self.slots.wait_for_turn(me, scope, 60)
                self._answers.append(event)
                try:
                    await event.wait()
                finally:
                    self.slots.give_back(me)
                    if event in self._answers:
                        self._answers.remove(event)
                self.slots.answered()
                self.served += 1
        except StoreUnavailable as error:
            self.errors.append(str(error))
        self.late += scope.cancelled_caught


def run_slowly(scenario: Callable[[SlowHome], Awaitable[None]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await scenario(SlowHome(nursery))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


def test_more_than_slots_wait_as_long_as_answers_come() -> None:
    async def scenario(home: SlowHome) -> None:
        home.begin(20)
        await trio.testing.wait_all_tasks_blocked()
        while home.served < 20:
            await trio.sleep(9)
            await home.answer()
        assert (home.errors, home.late, home.slots.is_idle) == ([], 0, True)

    run_slowly(scenario)


def test_where_nothing_comes_for_a_while_all_but_a_few_are_refused() -> None:
    async def scenario(home: SlowHome) -> None:
        home.begin(20)
        await trio.sleep(11)
        assert len(home.errors) == 16
        assert home.errors[0] == "nothing for 10 s"
        home.begin(1)
        await trio.testing.wait_all_tasks_blocked()
        assert len(home.errors) == 17
        await home.answer()
        home.begin(1)
        await trio.testing.wait_all_tasks_blocked()
        assert len(home.errors) == 17

    run_slowly(scenario)


def test_the_few_that_wait_are_given_up_when_their_deadline_passes() -> None:
    async def scenario(home: SlowHome) -> None:
        home.begin(4)
        await trio.sleep(59)
        assert home.late == 0
        await trio.sleep(2)
        assert (home.late, home.errors, home.slots.waiting) == (4, [], 0)
        assert home.slots.is_suspect
        home.begin(1)
        await trio.testing.wait_all_tasks_blocked()
        await home.answer()
        assert not home.slots.is_suspect

    run_slowly(scenario)
