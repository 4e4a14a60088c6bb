"""A database: transactions, retries, and the translation of every driver error into one of artfs.

Does not know any table. `read` and `write` are the only ways to the database, and each call is one transaction; the work passed to
them may run several times and must have no effect outside the database. Any thread may call; connections are pooled. A process
that forks goes on with connections of its own (`forks`).
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError, StatementError

from artfs.errors import ArtfsError
from artfs.registry.forks import ForkGate

T = TypeVar("T")

#: How long a transaction that others get in the way of is tried again.
PATIENCE_S = 30.0
_LONGEST_PAUSE_S = 0.25


class Retry(Enum):
    """Whether the same work may succeed when it is done once more."""

    NEVER = auto()
    #: The connection was lost: worth one more try with a new one.
    ONCE = auto()
    #: Somebody else was in the way: worth trying until the patience ends.
    PATIENTLY = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """What a driver error means: the error to raise in its place, and whether to try again before."""

    error: ArtfsError
    retry: Retry = Retry.NEVER


class Database:
    """One database behind an engine.

    `reading` and `writing` are views of one engine with the options each kind of transaction needs. `explain` says what an
    exception of the driver or of SQLAlchemy means.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        reading: Engine,
        writing: Engine,
        driver_error: type[Exception],
        explain: Callable[[Exception], Failure],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._engine = engine
        self._reading = reading
        self._writing = writing
        self._errors = (SQLAlchemyError, driver_error)
        self._explain = explain
        self._patience_s = patience_s
        self._inherited: list[object] = []
        self._gate = ForkGate(close=self.close, abandon=self._abandon)

    def read(self, work: Callable[[Connection], T]) -> T:
        """The result of `work`, which sees one consistent state: all that was committed, by any process, when it began."""
        return self._run(self._reading, work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` and commit it durably, or raise and leave no trace."""
        return self._run(self._writing, work)

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._engine.dispose()

    def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        deadline = time.monotonic() + self._patience_s
        for attempt in itertools.count():
            worked = False
            try:
                with self._gate.passing(), engine.connect() as connection, connection.begin():
                    result = work(connection)
                    worked = True
                return result
            except ArtfsError:
                raise
            except (*self._errors, ValueError) as error:  # a ValueError: a row holds what nobody can have written
                if isinstance(error, StatementError) and isinstance(error.orig, ArtfsError):
                    raise error.orig from None  # raised by a column type, which SQLAlchemy wraps
                failure = self._explain(error)
                if not _may_retry(failure.retry, attempt, worked=worked) or time.monotonic() >= deadline:
                    raise failure.error from error
            # Spread out, so that those who met do not meet again.
            time.sleep(min(_LONGEST_PAUSE_S, 0.002 * 2 ** min(attempt, 10)) * (0.5 + random.random()))  # noqa: S311
        raise AssertionError("unreachable")

    def _abandon(self) -> None:
        # What a forked child has inherited all the same, as a thread was in a transaction, is kept and never touched: forgetting it
        # would close it.
        self._inherited.append(self._engine.pool)
        self._engine.dispose(close=False)


def _may_retry(retry: Retry, attempt: int, *, worked: bool) -> bool:
    if retry is Retry.ONCE:
        # Lost during COMMIT, it may have been done: doing it again would be a second deed.
        return attempt == 0 and not worked
    return retry is Retry.PATIENTLY
