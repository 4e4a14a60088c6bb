from __future__ import annotations

import threading

import pytest
import trio
import trio.testing

from artfs.errors import StoreUnavailable
from artfs.mount.threads import Threads


def test_a_call_that_takes_too_long_is_given_up() -> None:
    release = threading.Event()

    async def main() -> None:
        with pytest.raises(StoreUnavailable, match=r"no answer within 0.05 s"):
            await Threads(0.05).run(release.wait)

    trio.run(main)
    release.set()


def test_a_result_that_comes_too_late_is_discarded() -> None:
    release, discarded = threading.Event(), threading.Event()

    def late() -> str:
        release.wait()
        return "late"

    def discard(result: str) -> None:
        assert result == "late"
        discarded.set()

    async def main() -> None:
        with pytest.raises(StoreUnavailable):
            await Threads(0.05).run(late, discard=discard)
        release.set()
        await trio.to_thread.run_sync(discarded.wait, 10)

    trio.run(main)
    assert discarded.is_set()


def test_stuck_reads_leave_other_calls_alone() -> None:
    release = threading.Event()

    async def main() -> None:
        threads = Threads(30)
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(threads.read, release.wait)
            await trio.testing.wait_all_tasks_blocked()
            assert await threads.run(lambda: "answered") == "answered"
            release.set()

    trio.run(main)


def test_errors_of_the_call_come_through() -> None:
    def fail() -> None:
        raise FileNotFoundError("x")

    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await Threads().finish(fail)

    trio.run(main)
