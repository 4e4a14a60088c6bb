"""Column types: how times, text and metadata cross the border between Python and both databases.

They make SQLite and PostgreSQL keep and refuse exactly the same values. No state; any thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

from artfs.errors import InternalError, UserError


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept and returned in UTC. SQLite has no time zones, so it keeps the UTC time without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise InternalError(f"the time {value} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy passes it
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PlainText(TypeDecorator[str]):
    """Text without NUL and without lone surrogates: PostgreSQL cannot keep the first, neither can keep the second."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy passes it
        if value is None:
            return None
        if "\0" in value:
            raise UserError(f"{value[:80]!r} holds a NUL character, which cannot be kept: remove it")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"{value[:80]!r} is not valid Unicode text and cannot be kept: remove what is wrong in it") from error
        return value


class JsonObject(TypeDecorator[Mapping[str, Any]]):
    """A JSON object as text. Text, as PostgreSQL's own types would reorder keys or refuse an escaped NUL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy passes it
        if value is None:
            return None
        try:
            return json.dumps(dict(value), allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise UserError(f"this cannot be kept as JSON: {error}") from error

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, Any] | None:  # noqa: ARG002 - SQLAlchemy passes it
        if value is None:
            return None
        found = json.loads(value)
        if not isinstance(found, dict):
            raise ValueError(f"{value[:80]!r} is no JSON object")  # noqa: TRY004 - damage, and no caller's mistake
        return found
