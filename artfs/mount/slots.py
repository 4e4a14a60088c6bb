"""Slots: how many threads may wait for one home of bytes (the object store, or the server of references) at a time.

Each home has slots of its own, so that one that does not answer takes up its own threads and no others. More requests than slots
wait for their turn, as long as answers come. Where none has come for a while, many that wait become a danger for others, as the
kernel lets only so many reads out: all but a few are then refused at once. A server that has kept a request waiting for long, and
has answered nobody meanwhile, is given less time until it answers again: a program that goes from file to file would wait for each.
Where there is a pause, whoever comes within it is refused at once too when all slots have kept their requests waiting, or two one
after the other did, and then one asks every so often. The kernel asks for one name of a directory at a time: all who wait there
would otherwise wait one after the other. A single failure says nothing of the home: one object of it may be stuck.

Runs on the event loop. `wait_for_turn` may be cancelled at its checkpoints only, and then holds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from artfs.errors import ArtfsError

#: Whoever waits for a slot no longer than this hardly waits.
_MOMENT_S = 0.1


class HomeSlots:
    """The slots of one home. `refusal` makes the error for those who are refused, from the seconds for which nothing came.

    More than `most_waiting` may not wait once nothing came for `stalled_s`. A request that fails after twice that makes it suspect.
    What fails after `stalled_s` makes it silent where all slots are taken, or something else did `stalled_s` ago: then one request
    in `pause_s` asks.
    """

    def __init__(
        self, most: int, most_waiting: int, stalled_s: float, refusal: Callable[[float], ArtfsError], pause_s: float = 0.0
    ) -> None:
        self._limiter = trio.CapacityLimiter(most)
        self.most_waiting = most_waiting
        self._stalled_s = stalled_s
        self._refusal = refusal
        self._pause_s = pause_s
        #: For how long nothing came when a request failed last; 0 where something has come since.
        self._silent_s = 0.0
        #: When a request failed that had been kept waiting; None where something has come since.
        self._failed_at: float | None = None
        self._ask_again = 0.0
        self.is_suspect = False
        self.waiting = 0
        #: When somebody got something last, or asked while nobody waited; and when something came from the home itself.
        self.last_answer = 0.0
        self._last_heard = 0.0

    @property
    def is_idle(self) -> bool:
        """Nobody waits, and no thread is out."""
        return not self.waiting and not self._limiter.borrowed_tokens

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request is under way in the block, which may wait for a turn."""
        begun = trio.current_time()
        if not self.waiting:
            self.last_answer = begun
        self.waiting += 1
        try:
            yield
        except BaseException:
            self._failed(begun)
            raise
        finally:
            self.waiting -= 1

    def answered(self, *, by_home: bool = True) -> None:
        """Somebody got something, which came from the home itself unless it was near."""
        self.last_answer = trio.current_time()
        if by_home:
            self._last_heard = self.last_answer
            self.is_suspect = False
            self._silent_s = 0.0
            self._failed_at = None

    def _failed(self, begun: float) -> None:
        now = trio.current_time()
        if self._last_heard > begun:
            return
        if now - begun >= 2 * self._stalled_s:
            self.is_suspect = True
        if now - begun < self._stalled_s or not self._pause_s:
            return
        self._failed_at = now if self._failed_at is None else self._failed_at
        if self.waiting >= self._limiter.total_tokens or now - self._failed_at >= self._stalled_s:
            self._silent_s, self._ask_again = now - begun, now + self._pause_s

    def _refusal_now(self) -> ArtfsError | None:
        """The refusal, if now is no time for one more who waits."""
        now = trio.current_time()
        if self._silent_s and now < self._ask_again:
            return self._refusal(self._silent_s)
        quiet_s = now - self.last_answer
        if self.waiting > self.most_waiting and quiet_s >= self._stalled_s:
            return self._refusal(quiet_s)
        return None

    def _check(self) -> None:
        if (refusal := self._refusal_now()) is not None:
            raise refusal

    async def take_turn_soon(self, borrower: object) -> bool:
        """Take a slot if one is free, or is soon as answers come. False where one may wait for long, or is to be refused."""
        if self._silent_s or self._refusal_now() is not None:
            return False
        if self._limiter.available_tokens > 0:
            self._limiter.acquire_on_behalf_of_nowait(borrower)
            return True
        with trio.move_on_at(self.last_answer + _MOMENT_S):
            await self._limiter.acquire_on_behalf_of(borrower)
            return True
        return False

    async def wait_for_turn(self, borrower: object, scope: trio.CancelScope, deadline_s: float) -> None:
        """Take a slot. The deadline of the request begins anew with each answer, and when its turn has come. Raises the refusal."""
        self._check()
        while True:
            with trio.move_on_after(self._stalled_s):
                await self._limiter.acquire_on_behalf_of(borrower)
                break
            self._check()
            scope.deadline = max(scope.deadline, self.last_answer + deadline_s)
        try:
            self._check()
        except ArtfsError:
            self.give_back(borrower)
            raise
        self._ask_again = trio.current_time() + self._pause_s  # for this one's answer others do not wait, if it is silent
        scope.deadline = max(scope.deadline, trio.current_time() + deadline_s)

    def give_back(self, borrower: object) -> None:
        """The thread is through, whoever still waited for it."""
        self._limiter.release_on_behalf_of(borrower)
