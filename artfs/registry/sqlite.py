"""The registry in a SQLite file: how it is opened, how its transactions begin, and what its errors mean.

Write-ahead log, so that readers and the one writer do not wait for each other; full synchronisation, so that a commit that
returned survives a power cut. A writing transaction takes the write lock when it begins: one that began as a reader could fail
half-way instead of waiting.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import StatementError

from artfs.config import make_private_folder
from artfs.errors import AccessDenied, IntegrityError, InternalError, RegistryUnavailable, StoreFull
from artfs.registry.database import PATIENCE_S, Database, Failure, Retry
from artfs.registry.migrations import ensure_still_newest

_NO_SPACE_BYTES = 1 << 20


def open_sqlite(path: Path, *, patience_s: float = PATIENCE_S) -> Database:
    """Open the file, or make it, with its folder for this user alone."""
    path = path.expanduser().absolute()
    try:
        make_private_folder(path.parent)
    except OSError as error:
        raise RegistryUnavailable(f"cannot make the folder of the registry {path}: {error.strerror}") from error
    # max_overflow: a thread never waits for another thread's connection, as opening one costs nothing.
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)), connect_args={"timeout": patience_s}, pool_size=5, max_overflow=-1
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return Database(
        engine,
        reading=engine,
        writing=engine.execution_options(artfs_begin="BEGIN IMMEDIATE"),
        driver_error=sqlite3.Error,
        explain=lambda error: _explain(error, path),
        patience_s=patience_s,
        check_schema=lambda connection: ensure_still_newest(connection, str(path)),
    )


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # Else the driver would begin transactions by itself: too late for reads, and never IMMEDIATE.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("artfs_begin", "BEGIN"))


def _explain(error: Exception, path: Path) -> Failure:
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    code = getattr(cause, "sqlite_errorcode", None)
    match code & 0xFF if code is not None else None:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            text = f"the registry {path} has been locked by another process for too long: try again, or end that process"
            return Failure(RegistryUnavailable(text), Retry.PATIENTLY)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Failure(IntegrityError(f"the registry {path} is damaged ({cause}): restore it from a backup"))
        case sqlite3.SQLITE_FULL:
            return Failure(_full(path))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return Failure(AccessDenied(f"the registry {path} cannot be written: check the permissions of it and its folder"))
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_IOERR:
            if _is_read_only(path):
                return Failure(
                    RegistryUnavailable(
                        f"the registry {path} is on a read-only file system, and even a reader writes beside it: copy it"
                    )
                )
            # A full disk shows itself so where the log's index is mapped or a journal is made.
            if _has_no_space(path):
                return Failure(_full(path))
            return Failure(
                RegistryUnavailable(f"the registry {path} cannot be opened or read ({cause}): check that it is a file of yours")
            )
    # Text that is no UTF-8 comes without a code, and what a column type cannot read is a ValueError.
    if "Could not decode" in str(cause) or isinstance(cause, ValueError):
        return Failure(IntegrityError(f"the registry {path} is damaged ({cause}): restore it from a backup"))
    return Failure(InternalError(f"the registry {path} refused what artfs asked of it: {cause}"))


def _full(path: Path) -> StoreFull:
    return StoreFull(f"no space is left for the registry {path}: free some and try again")


def _is_read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _has_no_space(path: Path) -> bool:
    try:
        state = os.statvfs(path.parent)
    except OSError:
        return False
    return state.f_bavail * state.f_frsize < _NO_SPACE_BYTES
