"""Leases inside a transaction: locking one that must be alive, ending one, reading them as records."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from artfs.errors import LeaseLost
from artfs.model.entry import LeaseId
from artfs.model.records import LeaseRecord
from artfs.registry.dialects import clock
from artfs.registry.schema import entities, leases


def lock_active_lease(connection: Connection, lease: LeaseId, *, for_what: str, shared: bool = False) -> int:
    """Lock a lease that is neither ended nor expired, and return its entity's id. Raises LeaseLost.

    gc locks out all others before it calls a lease dead, so what is written under this lock is seen by gc or never written (I4).

    `shared` lets several write at once, and is for those who do not change the lease. A heartbeat does not wait for them: as
    PostgreSQL lets new ones that share a row pass one that waits to change it, it might wait until the lease has expired.
    """
    query = select(leases.c.entity_id, leases.c.expires_at, leases.c.ended_at).where(leases.c.lease == lease)
    query = query.with_for_update(read=shared, key_share=True)
    locked = query.cte("locked").prefix_with("MATERIALIZED", dialect="postgresql")
    # The time is taken after the lock was got, outside of what waits for it: that may have taken long.
    row = connection.execute(select(locked, clock(connection).label("looked_at"))).one_or_none()
    if row is None or row.ended_at is not None or row.expires_at <= row.looked_at:
        raise LeaseLost(f"{for_what} took longer than its lease, so what it had stored may have been collected: commit it again")
    entity_id: int = row.entity_id
    return entity_id


def end_lease(connection: Connection, lease: LeaseId) -> None:
    """End the lease; nothing happens when it has ended or is gone."""
    statement = update(leases).where(leases.c.lease == lease, leases.c.ended_at.is_(None))
    connection.execute(statement.values(ended_at=clock(connection)))


def select_leases(connection: Connection, *criteria: ColumnElement[bool]) -> list[LeaseRecord]:
    """The leases that meet all criteria, oldest first."""
    query: Any = select(leases, entities.c.name).join(entities).where(*criteria).order_by(leases.c.started_at, leases.c.lease)
    return [
        LeaseRecord(
            id=LeaseId(row.lease),
            entity=row.name,
            holder=row.holder,
            started_at=row.started_at,
            expires_at=row.expires_at,
            ended_at=row.ended_at,
        )
        for row in connection.execute(query)
    ]
