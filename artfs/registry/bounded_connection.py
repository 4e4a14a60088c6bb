"""A connection to PostgreSQL that does not wait for ever.

A host that is gone is noticed by the kernel (keepalives). One that is there and does not answer, as its server is stopped or its
disks hang, acknowledges whatever it is sent: so each wait for an answer has an end here. Any thread, one at a time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from artfs.registry.database import ANSWER_S

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """Breaks, and raises OperationalError, when one answer takes longer than `database.ANSWER_S`."""

    @classmethod
    def reach(cls, *arguments: Any, **options: Any) -> BoundedConnection:
        """Connect, which takes no longer than one answer either."""
        if ANSWER_S.get() < float(options.get("connect_timeout", 0)):
            options["connect_timeout"] = math.ceil(ANSWER_S.get())
        return cls.connect(*arguments, **options)

    def wait(self, gen: PQGen[T], *arguments: Any, **options: Any) -> T:
        return super().wait(self._bounded(gen, ANSWER_S.get()), *arguments, **options)

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
