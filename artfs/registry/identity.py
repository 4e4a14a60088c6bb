"""Which registry this is, and which object store it keeps its bytes in. Any thread; every method is one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from artfs.errors import IntegrityError
from artfs.model.entry import PackId
from artfs.registry.database import Database
from artfs.registry.schema import identity, packs


@dataclass(frozen=True, slots=True)
class IdentityRecord:
    """The registry's id, and that of the object store it is bound to: None before the first write."""

    registry_id: str
    store_id: str | None


class Identity:
    """The ids of a registry and its object store. `address` is where the registry is, for messages."""

    def __init__(self, database: Database, address: str) -> None:
        self._database = database
        self.address = address

    def get(self) -> IdentityRecord:
        """Both ids as they are now. Raises IntegrityError when the registry has lost them."""
        return self._database.read_once(_get)

    def bind(self, store_id: str) -> IdentityRecord:
        """Bind the registry to an object store, unless it is bound already; what it is bound to now."""

        def work(connection: Connection) -> IdentityRecord:
            connection.execute(update(identity).where(identity.c.store_id.is_(None)).values(store_id=store_id))
            return _get(connection)

        return self._database.write(work)

    def newest_packs(self, count: int) -> list[PackId]:
        """Some packs that must be in the object store: the newest that versions need or needed a moment ago."""
        is_there = (packs.c.state == "committed") & packs.c.doomed_at.is_(None)
        query = select(packs.c.pack).where(is_there).order_by(packs.c.id.desc()).limit(count)
        return [PackId(pack) for pack in self._database.read_once(lambda connection: connection.execute(query).scalars().all())]


def _get(connection: Connection) -> IdentityRecord:
    row = connection.execute(select(identity.c.registry_id, identity.c.store_id)).one_or_none()
    if row is None:
        raise IntegrityError("the registry has lost the row that says which one it is: restore it from a backup")
    return IdentityRecord(row.registry_id, row.store_id)
