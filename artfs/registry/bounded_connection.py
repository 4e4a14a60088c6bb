"""A connection to PostgreSQL that does not wait for ever.

A host that is gone is noticed by the kernel (keepalives). One that is there and does not answer, as its server is stopped or its
disks hang, acknowledges whatever it is sent: so each wait for an answer has an end here. Any thread, one at a time.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from artfs.registry.database import ANSWER_S

T = TypeVar("T")

#: A server that has answered just now is there.
_TRUSTED_S = 5.0


class BoundedConnection(psycopg.Connection[Any]):
    """Breaks, and raises OperationalError, when one answer takes longer than `database.ANSWER_S`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._heard_s = time.monotonic()  # it is made of a connection that is through with its handshake

    @classmethod
    def reach(cls, *arguments: Any, **options: Any) -> BoundedConnection:
        """Connect, which takes no longer than one answer either."""
        if ANSWER_S.get() < float(options.get("connect_timeout", 0)):
            options["connect_timeout"] = math.ceil(ANSWER_S.get())
        return cls.connect(*arguments, **options)

    def wait(self, gen: PQGen[T], *arguments: Any, **options: Any) -> T:
        answer = super().wait(self._bounded(gen, ANSWER_S.get()), *arguments, **options)
        self._heard_s = time.monotonic()
        return answer

    def is_alive(self) -> bool:
        """Whether the server is still at the other end. It is asked only after a pause: that is a round trip.

        A server that ends says so, which is seen here at once. A host that has gone without a word since it answered last is
        noticed by the transaction that begins now, which is then done again.
        """
        try:
            if time.monotonic() < self._heard_s + _TRUSTED_S and not self._has_something_to_say():
                return True
            self.autocommit = True
            self.execute("SELECT 1")
            self.autocommit = False
        except psycopg.Error:
            return False
        return True

    def _has_something_to_say(self) -> bool:
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _bounded(self, gen: PQGen[T], answer_s: float) -> Generator[Any, Any, T]:
        # psycopg waits for the socket in short intervals, and comes back with nothing when an interval has passed.
        deadline_s = time.monotonic() + answer_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() >= deadline_s:
                    self.pgconn.finish()  # what comes later would be taken for the answer to something else
                    raise psycopg.OperationalError(f"no answer for {answer_s:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result
