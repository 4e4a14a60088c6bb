"""Leases: what keeps gc away from the packs of a commit under way (I4). Any thread; every method is one transaction.

A lease is alive until it is ended or not renewed in time, and never comes back to life. All times are the registry's.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from artfs.errors import Busy
from artfs.model.entry import LEASE_ID_SIZE, LeaseId
from artfs.model.records import LeaseRecord
from artfs.registry.batches import in_batches
from artfs.registry.database import Database
from artfs.registry.dialects import clock, now
from artfs.registry.lease_rows import end_lease, lock_active_lease, select_leases
from artfs.registry.pack_rows import drop_pending
from artfs.registry.schema import leases
from artfs.registry.scopes import ensure_entity


class Leases:
    """The commits under way, and those that gc has not cleaned up behind."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, entity: str, holder: str, ttl_s: float) -> LeaseRecord:
        """A new lease, alive for `ttl_s` seconds. `holder` says for people who has it."""

        def work(connection: Connection) -> LeaseRecord:
            lease = LeaseId(secrets.token_bytes(LEASE_ID_SIZE))
            statement = insert(leases).values(
                lease=lease,
                entity_id=ensure_entity(connection, entity),
                holder=holder,
                started_at=clock(connection),
                expires_at=clock(connection, after=timedelta(seconds=ttl_s)),
            )
            times = connection.execute(statement.returning(leases.c.started_at, leases.c.expires_at)).one()
            return LeaseRecord(
                id=lease, entity=entity, holder=holder, started_at=times.started_at, expires_at=times.expires_at, ended_at=None
            )

        return self._database.write(work)

    def heartbeat(self, lease: LeaseId, ttl_s: float) -> None:
        """Keep the lease alive for `ttl_s` seconds from now. Raises LeaseLost when it has ended, expired or gone."""

        def work(connection: Connection) -> None:
            lock_active_lease(connection, lease, for_what="this commit")
            expires_at = clock(connection, after=timedelta(seconds=ttl_s))
            connection.execute(update(leases).where(leases.c.lease == lease).values(expires_at=expires_at))

        self._database.write(work)

    def end(self, lease: LeaseId) -> None:
        """The commit is over, well or not; nothing happens when it was before."""
        self._database.write(lambda connection: end_lease(connection, lease))

    def list_collectable(self, ended_before: datetime) -> list[LeaseRecord]:
        """The leases that ended or expired before that time, oldest first; nothing will be written under them any more."""

        def work(connection: Connection) -> list[LeaseRecord]:
            # Locking them and ending the expired ones here waits for a commit that holds one of them, and bars every later one:
            # what gc sees after this is final. Only to compare times would let a commit succeed whose packs gc is about to delete.
            expired = (leases.c.ended_at.is_(None)) & (leases.c.expires_at <= now(connection))
            over = select(leases.c.lease).where(expired | (leases.c.ended_at < ended_before)).order_by(leases.c.lease)
            connection.execute(over.with_for_update())
            connection.execute(update(leases).where(expired).values(ended_at=leases.c.expires_at))
            return select_leases(connection, leases.c.ended_at < ended_before)

        return self._database.write(work)

    def list_active(self) -> list[LeaseRecord]:
        """The leases that are alive, oldest first."""
        return self._database.read(
            lambda connection: select_leases(connection, leases.c.ended_at.is_(None), leases.c.expires_at > now(connection))
        )

    def list_all(self) -> list[LeaseRecord]:
        """Those that are alive and those that gc has not cleaned up behind, oldest first; none is ended by this."""
        return self._database.read_once(select_leases)

    def remove(self, *ids: LeaseId) -> None:
        """Forget leases whose leftovers are deleted. Raises Busy when one is alive; one that is gone does not matter."""

        def work(connection: Connection) -> None:
            for batch in in_batches(ids):
                these = leases.c.lease.in_(batch)
                alive = select_leases(connection, these, leases.c.ended_at.is_(None), leases.c.expires_at > now(connection))
                if alive:
                    raise Busy(f"the commit of {alive[0].holder} is still under way: wait for it to end")
                drop_pending(connection, batch)
                connection.execute(delete(leases).where(these))

        self._database.write(work)
