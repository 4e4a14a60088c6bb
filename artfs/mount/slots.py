"""Slots: how many threads may wait for one home of bytes (the object store, or the server of references) at a time.

Each home has slots of its own, so that one that does not answer takes up its own threads and no others. More requests than slots
wait for their turn, as long as answers come. Where none has come for a while, many that wait become a danger for others, as the
kernel lets only so many reads out: all but a few are then refused at once. A server that has kept a request waiting for long, and
has answered nobody meanwhile, is given less time until it answers again: a program that goes from file to file would wait for each.

Runs on the event loop. `wait_for_turn` may be cancelled at its checkpoints only, and then holds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from artfs.errors import ArtfsError


class HomeSlots:
    """The slots of one home. `refusal` makes the error for those who are refused, from the seconds for which nothing came.

    More than `most_waiting` may not wait once nothing came for `stalled_s`. A request that fails after twice that makes it suspect.
    """

    def __init__(self, most: int, most_waiting: int, stalled_s: float, refusal: Callable[[float], ArtfsError]) -> None:
        self._limiter = trio.CapacityLimiter(most)
        self.most_waiting = most_waiting
        self._stalled_s = stalled_s
        self._refusal = refusal
        self.is_suspect = False
        self.waiting = 0
        #: When something came last, or was asked for while nobody waited.
        self.last_answer = 0.0

    @property
    def is_idle(self) -> bool:
        """Nobody waits, and no thread is out."""
        return not self.waiting and not self._limiter.borrowed_tokens

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request is under way in the block, which may wait for a turn. Raises the refusal."""
        begun = trio.current_time()
        if not self.waiting:
            self.last_answer = begun
        self.waiting += 1
        try:
            self._check()
            yield
        except BaseException:
            self._failed(begun)
            raise
        finally:
            self.waiting -= 1

    def answered(self) -> None:
        """Something came."""
        self.last_answer = trio.current_time()
        self.is_suspect = False

    def _failed(self, begun: float) -> None:
        if self.last_answer <= begun and trio.current_time() - begun >= 2 * self._stalled_s:
            self.is_suspect = True

    def _check(self) -> None:
        quiet_s = trio.current_time() - self.last_answer
        if self.waiting > self.most_waiting and quiet_s >= self._stalled_s:
            raise self._refusal(quiet_s)

    async def wait_for_turn(self, borrower: object, scope: trio.CancelScope, deadline_s: float) -> None:
        """Take a slot. The deadline of the request begins anew with each answer, and when its turn has come."""
        if self._limiter.available_tokens > 0:
            self._limiter.acquire_on_behalf_of_nowait(borrower)
            return
        while True:
            with trio.move_on_after(self._stalled_s):
                await self._limiter.acquire_on_behalf_of(borrower)
                scope.deadline = max(scope.deadline, trio.current_time() + deadline_s)
                return
            self._check()
            scope.deadline = max(scope.deadline, self.last_answer + deadline_s)

    def give_back(self, borrower: object) -> None:
        """The thread is through, whoever still waited for it."""
        self._limiter.release_on_behalf_of(borrower)
