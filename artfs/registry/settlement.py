"""What became of a transaction whose COMMIT was not answered: the tokens of PostgreSQL. No state; any thread.

A writing transaction leaves a random token as its last deed. Whoever lost the connection then tries to insert the same token: while
the earlier transaction is still open in the server, that waits for its end; if the token is there, it took place; if not, it can
not take place any more, as it would need the row that is inserted now. The server's own numbers of transactions would not do: one
that was lost in a crash may be given again.

The statement that leaves the token also looks whether the registry is of this schema still, which so costs no round trip.
"""

from __future__ import annotations

import random
import secrets
from datetime import timedelta

from sqlalchemy import Connection, delete, literal, select

from artfs.registry.dialects import clock, insert
from artfs.registry.migrations import NEWEST, ensure_still_newest
from artfs.registry.schema import schema_version, transactions

_TOKEN_SIZE = 16
#: Nobody asks for longer: `database` gives up after half a minute.
_KEPT = timedelta(hours=1)
#: One of so many transactions removes old tokens, and that many at most.
_CLEANED_EVERY = 200
_CLEANED_AT_ONCE = 1000


class TokenSettlement:
    """The `Settlement` of PostgreSQL. `name` is that of the registry, for messages."""

    def __init__(self, name: str) -> None:
        self._name = name

    def leave_token(self, connection: Connection) -> bytes:
        token = secrets.token_bytes(_TOKEN_SIZE)
        if not _insert_if_newest(connection, token):
            ensure_still_newest(connection, self._name)
        if random.randrange(_CLEANED_EVERY) == 0:  # noqa: S311 - to spread the work
            _clean(connection)
        return token

    def took_place(self, connection: Connection, token: bytes) -> bool:
        return not _insert(connection, token)


def _insert_if_newest(connection: Connection, token: bytes) -> bool:
    """False when the registry is of another schema."""
    row = select(literal(token), clock(connection)).where(schema_version.c.version == NEWEST)
    values = insert(connection, transactions).from_select(["token", "written_at"], row, include_defaults=False)
    return connection.execute(values.returning(transactions.c.token)).scalar() is not None


def _insert(connection: Connection, token: bytes) -> bool:
    """False when the token is there already."""
    values = insert(connection, transactions).values(token=token, written_at=clock(connection))
    return connection.execute(values.on_conflict_do_nothing().returning(transactions.c.token)).scalar() is not None


def _clean(connection: Connection) -> None:
    old = select(transactions.c.token).where(transactions.c.written_at < clock(connection, after=-_KEPT)).limit(_CLEANED_AT_ONCE)
    # Rows that another transaction removes are left to it: nobody waits here.
    connection.execute(
        delete(transactions).where(transactions.c.token.in_(old.with_for_update(skip_locked=True).scalar_subquery()))
    )
