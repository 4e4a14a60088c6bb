from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from artfs.errors import ReferenceUnavailable
from artfs.mount.failed_reads import FailedReads

ERROR = ReferenceUnavailable("no answer")


def run(scenario: Callable[[FailedReads], Awaitable[None]]) -> None:
    trio.run(scenario, FailedReads(), clock=trio.testing.MockClock(autojump_threshold=0))


def test_the_page_that_is_asked_for_again_fails_again_and_only_once() -> None:
    async def scenario(failed: FailedReads) -> None:
        failed.remember(7, 0, 16384, ERROR)
        failed.check(7, 0, 16384)
        failed.check(7, 16384, 4096)
        failed.check(8, 4096, 4096)
        with pytest.raises(ReferenceUnavailable):
            failed.check(7, 4096, 4096)
        failed.check(7, 4096, 4096)

    run(scenario)


def test_a_failure_is_soon_forgotten() -> None:
    async def scenario(failed: FailedReads) -> None:
        failed.remember(7, 0, 16384, ERROR)
        await trio.sleep(3)
        failed.check(7, 0, 4096)

    run(scenario)


def test_a_page_that_fails_alone_is_remembered_only_where_somebody_has_waited() -> None:
    async def scenario(failed: FailedReads) -> None:
        failed.remember(7, 0, 4096, ERROR, 0.1)
        failed.check(7, 0, 4096)
        failed.remember(7, 0, 4096, ERROR, 10.0)
        with pytest.raises(ReferenceUnavailable):
            failed.check(7, 0, 4096)
        failed.check(7, 0, 4096)

    run(scenario)
