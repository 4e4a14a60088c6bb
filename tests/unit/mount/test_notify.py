"""What is told to the kernel, and when: never while a request is being served."""

from __future__ import annotations

from collections.abc import Callable

import pyfuse3
import pytest
import trio

from artfs.errors import NotFound
from artfs.model.names import ArtifactName
from artfs.mount.guard import guard
from artfs.mount.notify import Notifier
from artfs.vfs.problems import Problems

ARTIFACT = ArtifactName("entity", "project", "data")


class CountingNotifier(Notifier):
    """A notifier without a kernel: notes what would be told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, moves: list[tuple[ArtifactName, list[str]]]) -> None:
        self.told += [name for _, names in moves for name in names]


class Operations:
    """One handler that moves names in a thread, as those of the mount do."""

    def __init__(self, before_the_reply: Callable[[list[str]], None], error: Exception | None = None) -> None:
        self.notifier = CountingNotifier()
        self.problems = Problems()
        self._before_the_reply = before_the_reply
        self._error = error

    def count(self, handler: str) -> None:
        pass

    def describe(self, handler: str, arguments: tuple[object, ...]) -> str:
        return handler

    @guard
    async def rename(self) -> None:
        await trio.to_thread.run_sync(self.notifier.moved, ARTIFACT, ["latest", "v1"])
        await trio.lowlevel.checkpoint()
        self._before_the_reply(list(self.notifier.told))
        if self._error is not None:
            raise self._error


def test_names_are_told_when_the_handler_is_through_and_not_before() -> None:
    seen: list[list[str]] = []
    operations = Operations(seen.append)
    trio.run(operations.rename)
    assert seen == [[]]
    assert operations.notifier.told == ["latest", "v1"]


def test_names_that_a_refused_request_announced_are_told_too() -> None:
    operations = Operations(lambda _: None, NotFound("there is no such thing"))
    with pytest.raises(pyfuse3.FUSEError):
        trio.run(operations.rename)
    assert operations.notifier.told == ["latest", "v1"]


def test_requests_served_at_the_same_time_tell_their_own_names_only() -> None:
    operations = Operations(lambda _: None)

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operations.rename)
            nursery.start_soon(operations.rename)

    trio.run(both)
    assert operations.notifier.told == ["latest", "v1"] * 2
