"""The registry in PostgreSQL: how it is reached, how its transactions begin, and what its errors mean.

Reading transactions see one snapshot. Writing ones see what is committed when each statement begins, and order themselves by
row locks: whoever changes a collection locks its row, whoever dooms or needs a pack locks the pack's. The order of locks is
collection, lease, packs (by pack id); a deadlock that happens all the same is rolled back by the server and tried again.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import URL, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from artfs.errors import AccessDenied, ConfigNotValid, IntegrityError, InternalError, RegistryUnavailable, StoreFull
from artfs.registry.database import OUTAGE_PATIENCE_S, PATIENCE_S, Database, Failure, Retry
from artfs.registry.migrations import ensure_still_newest
from artfs.registry.settlement import TokenSettlement

#: A mount answers from up to 32 threads. Few connections are kept between two transactions: many hosts share one server.
_KEPT_CONNECTIONS = 4
_MOST_CONNECTIONS = 32
#: A host that is gone is noticed after 10 + 3 × 5 s of silence, and 30 s after something was sent to it.
_REACHING = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "artfs",
}
#: What the server does when this host is gone in the middle of a transaction: its locks must not stay.
_SERVER_SETTINGS = {
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
#: Serialization failure, deadlock, lock not available.
_IN_THE_WAY = frozenset({"40001", "40P01", "55P03"})
#: Data or index corrupted.
_DAMAGED = frozenset({"XX001", "XX002"})
#: Disk full.
_FULL = "53100"
#: Classes: connection exception, authorisation, no such database, insufficient resources, operator intervention, system error.
_UNAVAILABLE = ("08", "28", "3D", "53", "57", "58")
#: Shutting down, killed by an administrator, too many connections: over in a moment.
_AWAY = frozenset({"57P01", "57P02", "53300"})
#: Not allowed to use the table or to make one; the server only takes reads.
_FORBIDDEN, _READ_ONLY = "42501", "25006"
#: The driver gives no code for a connection that was refused, only what the server said: it is starting or ending (57P03).
_NOT_NOW, _STARTING = "57P03", ("system is starting up", "system is shutting down", "system is in recovery", "not yet accepting")
#: What libpq asks back after each address at which nobody listens; what to do, we say ourselves.
_HINT = re.compile(r"\n\s*Is the server running [^?]*\?")


def open_postgres(url: URL, *, patience_s: float = PATIENCE_S) -> Database:
    """Connect lazily to the database of `url`."""
    try:
        import psycopg  # noqa: PLC0415 - an extra: who keeps the registry in a file does not need it

        from artfs.registry.bounded_connection import BoundedConnection  # noqa: PLC0415 - the same
    except ImportError as error:
        raise ConfigNotValid("a registry in PostgreSQL needs psycopg: pip install 'artfs[postgres]'") from error
    name = url.render_as_string(hide_password=True)
    _check_options(url, name)
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="READ COMMITTED",
        pool_size=_KEPT_CONNECTIONS,
        max_overflow=_MOST_CONNECTIONS - _KEPT_CONNECTIONS,
        pool_use_lifo=True,
        pool_timeout=patience_s,
        connect_args=_connect_arguments(url, patience_s),
        use_native_hstore=False,  # or the first connection asks whether the server has it
    )
    event.listen(engine, "do_connect", lambda _dialect, _record, words, options: BoundedConnection.reach(*words, **options))
    event.listen(engine, "checkout", _check_alive)
    return Database(
        engine,
        reading=engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
        reading_once=engine.execution_options(isolation_level="AUTOCOMMIT"),
        writing=engine,
        driver_error=psycopg.Error,
        explain=lambda error: _explain(error, name),
        patience_s=patience_s,
        outage_patience_s=OUTAGE_PATIENCE_S,
        settlement=TokenSettlement(name),
        check_schema=lambda connection: ensure_still_newest(connection, name),
    )


def _check_options(url: URL, name: str) -> None:
    """Raise ConfigNotValid for an option of the address that nobody knows, before a driver's error is taken for the server's."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - an extra
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - the same

    options = {key: str(value) for key, value in url.query.items()}
    try:
        make_conninfo("", **options)
    except ProgrammingError as error:
        raise ConfigNotValid(f"the registry {name} has an option that cannot be used: {error}") from error
    if not options.get("connect_timeout", "0").isdecimal():
        raise ConfigNotValid(f"the registry {name} has a connect_timeout that is no whole number: write for example 10")


def _connect_arguments(url: URL, patience_s: float) -> dict[str, Any]:
    """How the server is reached, but for what the address says itself."""
    settings = {"lock_timeout": f"{round(patience_s * 1000)}ms", **_SERVER_SETTINGS}
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    said = url.query.get("options", "")  # later ones win
    return {
        **{name: value for name, value in _REACHING.items() if name not in url.query},
        "options": f"{options} {said}".strip(),
        # None is ever prepared: behind a pooling proxy the next transaction may meet those of another host under the same names.
        "prepare_threshold": None,
    }


def _check_alive(connection: Any, record: Any, proxy: Any) -> None:
    """Before a transaction: all connections are made anew when this one is lost."""
    del record, proxy
    if not connection.is_alive():
        raise InvalidatePoolError


def _explain(error: Exception, name: str) -> Failure:
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    state: str = getattr(cause, "sqlstate", None) or ""
    # Without the statement, where the server says what is wrong.
    words = getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)
    said = " ".join(_HINT.sub("", words).split())
    if state in _IN_THE_WAY:
        text = f"the registry {name} was too busy with the same rows: try again"
        return Failure(RegistryUnavailable(text), Retry.PATIENTLY)
    # What a column type cannot read is a ValueError.
    if state in _DAMAGED or isinstance(cause, ValueError):
        return Failure(IntegrityError(f"the registry {name} is damaged ({said}): restore it from a backup"))
    if state == _FULL:
        return Failure(StoreFull(f"no space is left for the registry {name}: free some on its server and try again"))
    if state == _FORBIDDEN:
        text = f"the registry {name} does not allow its user what artfs needs ({said}): have it granted, or name another user"
        return Failure(AccessDenied(text))
    if state == _READ_ONLY:
        text = f"the registry {name} cannot be written ({said}): give the address of the server that takes changes"
        return Failure(RegistryUnavailable(text))
    if isinstance(error, PoolTimeout):
        return Failure(RegistryUnavailable(f"too many threads use the registry {name} at once: try again"))
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    unreachable = not state and any(kind.__name__ == "OperationalError" for kind in type(cause).__mro__)
    if lost or unreachable or state.startswith(_UNAVAILABLE):
        text = f"the registry {name} did not answer as it should ({said}): check that the server runs and the address is right"
        if state == _NOT_NOW or (unreachable and any(words in said for words in _STARTING)):
            return Failure(RegistryUnavailable(text), Retry.WHEN_STARTED)
        if lost:
            return Failure(RegistryUnavailable(text), Retry.ONCE)
        return Failure(RegistryUnavailable(text), Retry.WHEN_BACK if unreachable or state in _AWAY else Retry.NEVER)
    return Failure(InternalError(f"the registry {name} refused what artfs asked of it: {said}"))
