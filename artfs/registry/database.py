"""A database: transactions, retries, and the translation of every driver error into one of artfs.

Does not know any table. `read` and `write` are the only ways to the database, and each call is one transaction; the work passed to
them may run several times and must have no effect outside the database. Any thread may call; connections are pooled. A process
that forks goes on with connections of its own (`forks`).

A connection that breaks while it waits for the answer to COMMIT leaves open whether the transaction took place. Then `Settlement`
finds out, so that no deed is done twice, and none that was done is reported as failed.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError, StatementError

from artfs.errors import ArtfsError, InternalError, RegistryUnavailable
from artfs.registry.forks import ForkGate

T = TypeVar("T")

#: How long a transaction that others get in the way of is tried again.
PATIENCE_S = 30.0
#: How long a process that has reached the database before waits for it to come back: a server that restarts.
OUTAGE_PATIENCE_S = 10.0
#: How long it asks for the outcome of a transaction whose COMMIT nobody has answered.
_SETTLING_S = 30.0
_LONGEST_PAUSE_S = 0.25
#: Longest wait for one answer of a server that is connected: one that is stopped or overloaded keeps its connections open.
ANSWER_S: ContextVar[float] = ContextVar("answer_s", default=60.0)
_WAITS_FOR_OUTAGES: ContextVar[bool] = ContextVar("waits_for_outages", default=True)


@contextmanager
def hurried(answer_s: float, *, waits: bool = False) -> Iterator[None]:
    """Within the block, this thread waits for each answer for `answer_s` at most; for a server that is away only if it `waits`."""
    tokens = ANSWER_S.set(answer_s), _WAITS_FOR_OUTAGES.set(waits)
    try:
        yield
    finally:
        ANSWER_S.reset(tokens[0])
        _WAITS_FOR_OUTAGES.reset(tokens[1])


@contextmanager
def unhurried() -> Iterator[None]:
    """Within the block, this thread waits for answers as long as they take."""
    token = ANSWER_S.set(float("inf"))
    try:
        yield
    finally:
        ANSWER_S.reset(token)


class Retry(Enum):
    """Whether the same work may succeed when it is done once more."""

    NEVER = auto()
    #: The connection was lost: worth one more try with a new one, and more while the server may be coming back.
    ONCE = auto()
    #: The server cannot be reached: worth trying while it may be coming back.
    WHEN_BACK = auto()
    #: The server is there, and says that it is starting: as above, and for who has not reached it before, too.
    WHEN_STARTED = auto()
    #: Somebody else was in the way: worth trying until the patience ends.
    PATIENTLY = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """What a driver error means: the error to raise in its place, and whether to try again before."""

    error: ArtfsError
    retry: Retry = Retry.NEVER


class Settlement(Protocol):
    """How it is found out whether a transaction took place whose COMMIT was not answered."""

    def leave_token(self, connection: Connection) -> bytes:
        """In a transaction, before its COMMIT: leave something that is there when it took place. Raises as `check_schema`."""
        ...

    def took_place(self, connection: Connection, token: bytes) -> bool:
        """In a later transaction: True if the token is there. If not, it can never be: the earlier one cannot commit any more."""
        ...


class Database:
    """One database behind an engine.

    `reading`, `reading_once` (for one statement) and `writing` are views of one engine with the options each kind of transaction
    needs. `explain` says what an exception of the driver or of SQLAlchemy means. `check_schema` raises when the tables are not
    those that this artfs knows any more; a writing transaction begins with it, unless `settlement` does the same.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        reading: Engine,
        writing: Engine,
        reading_once: Engine | None = None,
        driver_error: type[Exception],
        explain: Callable[[Exception], Failure],
        patience_s: float = PATIENCE_S,
        outage_patience_s: float = 0.0,
        settlement: Settlement | None = None,
        check_schema: Callable[[Connection], None],
    ) -> None:
        self._engine = engine
        self._reading = reading
        self._reading_once = reading_once or reading
        self._writing = writing
        self._errors = (SQLAlchemyError, driver_error)
        self._explain = explain
        self._patience_s = patience_s
        self._outage_patience_s = outage_patience_s
        self._settlement = settlement
        self._check_schema = check_schema
        self._was_reached = False
        self._preparation: Callable[[], None] | None = None
        self._inherited: list[object] = []
        self._gate = ForkGate(close=self.close, abandon=self._abandon)

    def read(self, work: Callable[[Connection], T]) -> T:
        """The result of `work`, which sees one consistent state: all that was committed, by any process, when it began."""
        return self._run_prepared(self._reading, work, None)

    def read_once(self, work: Callable[[Connection], T]) -> T:
        """As `read`, for work of one statement, or of several that need not agree: each sees a consistent state of its own.

        A server that is far away is asked once, where beginning and ending a transaction would make it three times.
        """
        return self._run_prepared(self._reading_once, work, None)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` and commit it durably, or raise and leave no trace.

        Where the database does not answer any more and nobody can know, the RegistryUnavailable says that.
        """
        if self._settlement is not None:
            return self._run_prepared(self._writing, work, self._settlement)

        def checked(connection: Connection) -> T:
            self._check_schema(connection)
            return work(connection)

        return self._run_prepared(self._writing, checked, None)

    def read_schema(self, work: Callable[[Connection], T]) -> T:
        """As `read`, for work that may find no tables yet."""
        return self._run(self._reading, work, None)

    def change_schema(self, work: Callable[[Connection], T]) -> T:
        """As `write`, for work that may be repeated, take long, and find no tables yet."""
        with unhurried():
            return self._run(self._writing, work, None)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def detach(self) -> Any:
        """A connection of the driver that is the caller's alone from now on. Raises as `read` does.

        The next transaction finds another one in its place, as connecting to a server that is far away takes several round trips.
        """
        self.prepare()
        try:
            with self._gate.passing():
                pooled = self._engine.raw_connection()
                connection = pooled.dbapi_connection
                pooled.detach()
                with suppress(*self._errors):  # whoever needs it will say so
                    self._engine.raw_connection().close()  # back to the pool
                return connection
        except self._errors as error:
            raise self._explain(error).error from error

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._engine.dispose()

    def prepare_with(self, preparation: Callable[[], None]) -> None:
        """Do `preparation`, which may be done twice and at once, before any transaction; each tries it until it has been done."""
        self._preparation = preparation

    def prepare(self) -> None:
        """Be ready for transactions. Raises as they do."""
        preparation = self._preparation
        if preparation is not None:
            preparation()
            self._preparation = None

    def _run_prepared(self, engine: Engine, work: Callable[[Connection], T], settlement: Settlement | None) -> T:
        self.prepare()
        try:
            return self._run(engine, work, settlement)
        except InternalError:
            self._run(self._reading, self._check_schema, None)  # a table or column may have changed with the schema
            raise

    def _run(self, engine: Engine, work: Callable[[Connection], T], settlement: Settlement | None) -> T:
        began_s = time.monotonic()
        for attempt in itertools.count():
            worked, token = False, b""
            asked_s = time.monotonic()
            try:
                with self._gate.passing(), engine.connect() as connection, connection.begin():
                    result = work(connection)
                    token = b"" if settlement is None else settlement.leave_token(connection)
                    worked = True
                self._was_reached = True
                return result
            except ArtfsError:
                raise
            except (*self._errors, ValueError) as error:  # a ValueError: a row holds what nobody can have written
                if isinstance(error, StatementError) and isinstance(error.orig, ArtfsError):
                    raise error.orig from None  # raised by a column type, which SQLAlchemy wraps
                failure = self._explain(error)
                is_open = worked and failure.retry in (Retry.ONCE, Retry.WHEN_BACK, Retry.WHEN_STARTED)
                if is_open and token and settlement is not None:
                    if self._settle(settlement, token, failure.error):
                        return result
                elif is_open or not self._may_retry(failure.retry, attempt, time.monotonic() - began_s, time.monotonic() - asked_s):
                    # Lost during COMMIT, it may have been done: doing it again would be a second deed.
                    raise failure.error from error
            _pause(attempt)
        raise AssertionError("unreachable")

    def _may_retry(self, retry: Retry, attempt: int, waited_s: float, silent_s: float) -> bool:
        if retry is Retry.PATIENTLY:
            return waited_s < self._patience_s
        if retry is Retry.NEVER:
            return False
        self._was_reached = self._was_reached or retry is Retry.WHEN_STARTED
        # A process that has never reached the database has a wrong address as likely as a server that is away for a moment;
        # and one that is started anew refuses, and is not silent.
        is_away = self._was_reached and silent_s < ANSWER_S.get()
        waits = is_away and _WAITS_FOR_OUTAGES.get() and waited_s < self._outage_patience_s
        return waits or (retry is Retry.ONCE and attempt == 0)

    def _settle(self, settlement: Settlement, token: bytes, lost: ArtfsError) -> bool:
        """Whether the transaction that left the token took place."""
        deadline_s = time.monotonic() + _SETTLING_S
        for attempt in itertools.count():
            try:
                with self._gate.passing(), self._writing.connect() as connection, connection.begin():
                    return settlement.took_place(connection, token)
            except self._errors as error:
                if self._explain(error).retry is Retry.NEVER or time.monotonic() >= deadline_s:
                    raise RegistryUnavailable(
                        f"{lost}; that was while it confirmed a change, so look whether it was made before you try again"
                    ) from error
            _pause(attempt)
        raise AssertionError("unreachable")

    def _abandon(self) -> None:
        # What a forked child has inherited all the same, as a thread was in a transaction, is kept and never touched: forgetting it
        # would close it.
        self._inherited.append(self._engine.pool)
        self._engine.dispose(close=False)


def _pause(attempt: int) -> None:
    # Spread out, so that those who met do not meet again.
    time.sleep(min(_LONGEST_PAUSE_S, 0.002 * 2 ** min(attempt, 10)) * (0.5 + random.random()))  # noqa: S311
