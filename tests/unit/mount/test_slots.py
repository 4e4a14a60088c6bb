"""Slots of homes that answer and of homes that do not, on a clock that jumps."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import trio
import trio.testing

from artfs.chunks.near import go_far
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


class SilentStore:
    """Reads of a store that answers nobody until it is told to; it counts who has asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = threading.Event()

    def read(self) -> str:
        go_far()
        self.asked += 1
        self.answers.wait()
        return "content"


def read_from(scenario: Callable[[Threads, SilentStore], Awaitable[None]]) -> None:
    async def main() -> None:
        store = SilentStore()
        try:
            await scenario(Threads(60), store)
        finally:
            store.answers.set()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


async def fail(threads: Threads, store: SilentStore) -> None:
    with pytest.raises(StoreUnavailable):
        await threads.read(store.read)


def test_of_those_whom_the_kernel_lets_ask_one_after_the_other_only_two_wait_for_a_silent_store() -> None:
    async def scenario(threads: Threads, store: SilentStore) -> None:
        directory = trio.Lock()

        async def look_up() -> None:
            async with directory:
                await fail(threads, store)

        async with trio.open_nursery() as nursery:
            for _ in range(24):
                nursery.start_soon(look_up)
        assert store.asked == 2
        assert trio.current_time() < 3 * threads.deadline_s  # of a clock that jumps

    read_from(scenario)


def test_one_object_that_is_stuck_keeps_nobody_from_the_others_of_its_store() -> None:
    async def scenario(threads: Threads, store: SilentStore) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(4):  # as the kernel reads ahead in one file
                nursery.start_soon(fail, threads, store)
        store.answers.set()
        for _ in range(3):
            assert await threads.read(store.read) == "content"

    read_from(scenario)


def test_those_who_waited_for_a_slot_while_nothing_came_do_not_wait_again() -> None:
    async def scenario(threads: Threads, store: SilentStore) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(fail, threads, store)
        assert store.asked == 24

    read_from(scenario)


def test_a_silent_store_is_asked_by_one_every_few_seconds_and_by_all_once_it_answers() -> None:
    async def scenario(threads: Threads, store: SilentStore) -> None:
        for _ in range(4):
            await fail(threads, store)
        assert store.asked == 2
        await trio.sleep(3)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(fail, threads, store)
        assert store.asked == 3
        await trio.sleep(3)
        store.answers.set()
        for _ in range(3):
            assert await threads.read(store.read) == "content"

    read_from(scenario)


def test_what_is_near_is_read_while_others_have_all_slots_or_the_store_is_silent() -> None:
    async def scenario(threads: Threads, store: SilentStore) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(fail, threads, store)
            await trio.sleep(1)
            for _ in range(20):
                assert await threads.read(lambda: "cached") == "cached"
            assert trio.current_time() < threads.deadline_s
        assert await threads.read(lambda: "cached") == "cached"
        await fail(threads, store)  # nobody has heard of the store by that
        assert store.asked == 24

    read_from(scenario)


def test_what_is_near_is_read_where_no_more_may_wait() -> None:
    async def scenario(threads: Threads, store: SilentStore) -> None:
        threads.expect_few_reads()
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(fail, threads, store)
            await trio.sleep(threads.deadline_s / 2)
            await fail(threads, store)
            assert await threads.read(lambda: "cached") == "cached"
            assert trio.current_time() < threads.deadline_s
        assert store.asked == 4

    read_from(scenario)
