"""What PostgreSQL's errors mean, for those that no test can make a server raise."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from artfs.errors import AccessDenied, ArtfsError, IntegrityError, InternalError, RegistryUnavailable, StoreFull
from artfs.registry.database import Retry
from artfs.registry.postgres import _explain


def wrapped(error: Exception, *, lost: bool = False) -> DBAPIError:
    return OperationalError("SELECT 1", None, error, connection_invalidated=lost)


@pytest.mark.parametrize(
    ("error", "expected", "retry"),
    [
        (wrapped(errors.SerializationFailure()), RegistryUnavailable, Retry.PATIENTLY),
        (wrapped(errors.DeadlockDetected()), RegistryUnavailable, Retry.PATIENTLY),
        (wrapped(errors.LockNotAvailable()), RegistryUnavailable, Retry.PATIENTLY),
        (wrapped(errors.DiskFull()), StoreFull, Retry.NEVER),
        (wrapped(errors.DataCorrupted()), IntegrityError, Retry.NEVER),
        (wrapped(errors.IndexCorrupted()), IntegrityError, Retry.NEVER),
        (wrapped(errors.TooManyConnections()), RegistryUnavailable, Retry.WHEN_BACK),
        (wrapped(errors.InvalidPassword()), RegistryUnavailable, Retry.NEVER),
        (wrapped(errors.ReadOnlySqlTransaction()), RegistryUnavailable, Retry.NEVER),
        (wrapped(errors.InsufficientPrivilege()), AccessDenied, Retry.NEVER),
        (wrapped(errors.AdminShutdown(), lost=True), RegistryUnavailable, Retry.ONCE),
        (wrapped(psycopg.OperationalError("server closed the connection"), lost=True), RegistryUnavailable, Retry.ONCE),
        (wrapped(errors.ConnectionTimeout("connection timeout expired")), RegistryUnavailable, Retry.WHEN_BACK),
        (wrapped(errors.CannotConnectNow()), RegistryUnavailable, Retry.WHEN_STARTED),
        (wrapped(psycopg.OperationalError("FATAL: the database system is starting up")), RegistryUnavailable, Retry.WHEN_STARTED),
        (wrapped(psycopg.OperationalError('FATAL: role "nobody" does not exist')), RegistryUnavailable, Retry.WHEN_BACK),
        (wrapped(psycopg.OperationalError("connection refused")), RegistryUnavailable, Retry.WHEN_BACK),
        (wrapped(errors.UndefinedTable()), InternalError, Retry.NEVER),
        (wrapped(errors.UniqueViolation()), InternalError, Retry.NEVER),
        (errors.DeadlockDetected(), RegistryUnavailable, Retry.PATIENTLY),
        (PoolTimeout(), RegistryUnavailable, Retry.NEVER),
        (ValueError("no such time"), IntegrityError, Retry.NEVER),
    ],
)
def test_error_of_the_server_is_told_as_what_it_means(error: Exception, expected: type[ArtfsError], retry: Retry) -> None:
    failure = _explain(error, "postgresql://host/db")
    assert type(failure.error) is expected
    assert failure.retry is retry
    assert "postgresql://host/db" in str(failure.error)


def test_what_the_driver_asks_back_is_left_out() -> None:
    asked = "connection failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?"
    told = str(_explain(wrapped(psycopg.OperationalError(asked)), "postgresql://host/db").error)
    assert "(connection failed: Connection refused): check that the server runs" in told
