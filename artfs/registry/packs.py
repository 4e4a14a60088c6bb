"""Packs and the chunk index: what deduplication finds and gc goes by. Any thread; every method is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any

from sqlalchemy import ARRAY, Connection, LargeBinary, Row, Select, bindparam, exists, func, select, true, update

from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, LeaseId, PackId, lease_of_pack
from artfs.model.pack_uses import PackUse
from artfs.model.records import PackRecord
from artfs.registry.batches import BATCH, in_batches
from artfs.registry.database import Database
from artfs.registry.dialects import clock, now
from artfs.registry.lease_rows import lock_active_lease
from artfs.registry.pack_rows import IS_UNNEEDED, add_chunks, drop_chunks, drop_pending, insert_pack
from artfs.registry.pack_uses import as_pack_record, select_uses
from artfs.registry.relocation import forget_packs, relocate_chunks
from artfs.registry.schema import chunks, entities, packs, version_packs

#: May be named by whoever commits now.
_IS_USABLE = (packs.c.state == "committed") & packs.c.doomed_at.is_(None)

#: Its chunks are offered. One of which verify has found that it is damaged has none left in the index.
_IS_TRUSTED = exists().where(chunks.c.pack_id == packs.c.id)

_IS_OWN = (packs.c.state == "pending") & (packs.c.lease == bindparam("lease"))


@cache
def _lying(dialect: str) -> Select[Any]:
    """Where chunks of `entity` lie that have one of the `digests`, and in which pack."""
    entity = select(entities.c.id).where(entities.c.name == bindparam("entity")).scalar_subquery()
    rows = select(chunks.c.digest, chunks.c.size, chunks.c.pack_id, chunks.c.offset, chunks.c.stored_size)
    rows = rows.where(chunks.c.entity_id == entity)
    if dialect == "postgresql":
        # Digest for digest (OFFSET), and that before all else (MATERIALIZED): while PostgreSQL has no statistics of new rows, it
        # would read all chunks of the entity for each look-up, or all of each pack.
        wanted = func.unnest(bindparam("digests", type_=ARRAY(LargeBinary))).table_valued("digest").render_derived()
        each = rows.where(chunks.c.digest == wanted.c.digest).offset(0).lateral()
        found = select(each).select_from(wanted.join(each, true())).cte("found").prefix_with("MATERIALIZED")
    else:
        found = rows.where(chunks.c.digest.in_(bindparam("digests", expanding=True))).cte("found")
    lying = select(found.c.digest, found.c.size, packs.c.pack, found.c.offset, found.c.stored_size)
    lying = lying.add_columns((_IS_USABLE | _IS_OWN).label("is_to_be_had"))
    return lying.join(packs, packs.c.id == found.c.pack_id)


@cache
def _find_chunks(dialect: str) -> Select[Any]:
    return _lying(dialect).where(_IS_USABLE | (packs.c.state == "pending"))


@cache
def _find_doomed_too(dialect: str) -> Select[Any]:
    """A doomed pack can be had back until gc claims it."""
    return _lying(dialect).where(packs.c.state != "deleting")


class Packs:
    """The packs of all entities."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entity: str, lease: LeaseId, pack_id: PackId, size: int, chunks: Sequence[ChunkRef]) -> None:
        """Enter a pack that is durable (I1).

        Raises LeaseLost when the lease is over: gc may have deleted the object already.
        """

        def work(connection: Connection) -> None:
            entity_id = lock_active_lease(connection, lease, for_what=f"storing content of {entity}", shared=True)
            values = {
                "pack": pack_id,
                "lease": lease_of_pack(pack_id),
                "entity_id": entity_id,
                "size": size,
                "created_at": clock(connection),
                "state": "pending",
            }
            add_chunks(connection, entity_id, insert_pack(connection, values), chunks)

        self._database.write(work)

    def find_chunks(
        self, entity: str, lease: LeaseId, digests: Sequence[Digest], *, avoided: Container[PackId] = ()
    ) -> dict[Digest, ChunkRef]:
        """Where those of the chunks lie that the entity has in packs that are not doomed.

        Nothing is found in the packs `avoided`. What another commit has stored, which is under way or has died, is found as well,
        so that nothing is sent twice: its packs stay for this commit, whatever becomes of the other. Raises LeaseLost.
        """
        return self._find(_find_chunks(self._database.dialect), entity, lease, digests, avoided)

    def find_or_take_back(self, entity: str, lease: LeaseId, digests: Sequence[Digest]) -> dict[Digest, ChunkRef]:
        """As `find_chunks`, but in doomed packs too: those that have what is nowhere else are not doomed any more afterwards.

        For who would have to fetch the bytes from afar; to any other commit what is doomed is gone.
        """
        return self._find(_find_doomed_too(self._database.dialect), entity, lease, digests, ())

    def relocate(self, refs: Sequence[ChunkRef]) -> dict[Digest, ChunkRef]:
        """Where chunks lie now whose packs are gone from the object store, by the digests of those that are found.

        Only in other packs of the entity that the missing pack belongs or belonged to, so a digest tells nobody what others have.
        """
        return self._database.read(lambda connection: relocate_chunks(connection, refs)) if refs else {}

    def usable(self, ids: Iterable[PackId]) -> set[PackId]:
        """Those of the packs that are committed, not about to be deleted, and trusted."""
        wanted = sorted(set(ids))

        def work(connection: Connection) -> set[PackId]:
            found: set[PackId] = set()
            for start in range(0, len(wanted), BATCH):
                query = select(packs.c.pack).where(packs.c.pack.in_(wanted[start : start + BATCH]), _IS_USABLE, _IS_TRUSTED)
                found.update(PackId(pack) for pack in connection.execute(query).scalars())
            return found

        return self._database.read(work)

    def distrust(self, ids: Iterable[PackId]) -> None:
        """Offer nothing of the packs to commits any more, as they are damaged or lost; what needs them goes on to need them."""
        wanted = sorted(set(ids))

        def work(connection: Connection) -> None:
            for start in range(0, len(wanted), BATCH):
                query = select(packs.c.id).where(packs.c.pack.in_(wanted[start : start + BATCH]), packs.c.state == "committed")
                rows = connection.execute(query.order_by(packs.c.pack).with_for_update()).scalars()
                drop_chunks(connection, list(rows))

        self._database.write(work)

    def distrusted(self) -> list[PackRecord]:
        """The committed packs of which nothing is offered to commits, but for those that gc is about to delete."""
        query = select(packs).where(_IS_USABLE, ~_IS_TRUSTED).order_by(packs.c.id)
        return self._database.read(lambda connection: [as_pack_record(row) for row in connection.execute(query)])

    def trust(self, pack_id: PackId, chunks: Sequence[ChunkRef]) -> bool:
        """Offer a pack to commits again that was found whole, with these chunks in it; False when gc has begun to delete it."""

        def work(connection: Connection) -> bool:
            # Locked: gc, which drops the chunks of a pack before it deletes the object, comes before this or finds them (I4).
            query = select(packs.c.id, packs.c.entity_id).where(packs.c.pack == pack_id, packs.c.state == "committed")
            row = connection.execute(query.with_for_update()).one_or_none()
            if row is not None:
                add_chunks(connection, row.entity_id, row.id, chunks)
            return row is not None

        return self._database.write(work)

    def iter_all(self) -> Iterator[PackRecord]:
        """All packs that have a row, oldest row first. One that is added meanwhile may be missed."""
        after = 0
        while batch := self._rows_after(after):
            yield from (as_pack_record(row) for row in batch)
            after = batch[-1].id

    def iter_uses(self, *, ignored: Collection[int] = ()) -> Iterator[PackUse]:
        """All packs that have a row, oldest row first, with who needs them; `ignored` are contributions that do not count."""
        after = 0
        while True:
            uses, after = self._database.read(partial(select_uses, after=after, limit=BATCH, ignored=ignored))
            if not uses:
                return
            yield from uses

    def versions_needing(self, ids: Iterable[PackId]) -> list[int]:
        """The ids of the live versions that need one of the packs, oldest first."""
        wanted = sorted(set(ids))

        def work(connection: Connection) -> list[int]:
            found: set[int] = set()
            for start in range(0, len(wanted), BATCH):
                query = select(version_packs.c.version_id).join(packs).where(packs.c.pack.in_(wanted[start : start + BATCH]))
                found.update(connection.execute(query.distinct()).scalars())
            return sorted(found)

        return self._database.read(work)

    def committed_under(self, leases: Iterable[LeaseId]) -> set[PackId]:
        """The packs written under the leases that have been committed."""
        wanted = sorted(set(leases))

        def work(connection: Connection) -> set[PackId]:
            found: set[PackId] = set()
            for start in range(0, len(wanted), BATCH):
                query = select(packs.c.pack).where(packs.c.lease.in_(wanted[start : start + BATCH]), packs.c.state != "pending")
                found.update(PackId(pack) for pack in connection.execute(query).scalars())
            return found

        return self._database.read(work)

    def doom_unneeded(self) -> int:
        """Doom the committed packs that no live version needs: new commits do not find their chunks any more. Returns how many."""

        def work(connection: Connection) -> int:
            rows = _lock_unneeded(connection, _IS_USABLE)
            for start in range(0, len(rows), BATCH):
                batch = [row.id for row in rows[start : start + BATCH]]
                connection.execute(update(packs).where(packs.c.id.in_(batch)).values(doomed_at=now(connection)))
            return len(rows)

        return self._database.write(work)

    def claim_doomed(self, doomed_before: datetime, limit: int) -> list[PackRecord]:
        """Packs whose objects are to be deleted now: doomed before that time and still not needed, or claimed before.

        From here on no commit can have them back. After deleting the objects say `forget`.
        """

        def work(connection: Connection) -> list[PackRecord]:
            claimed = list(connection.execute(select(packs).where(packs.c.state == "deleting").order_by(packs.c.pack).limit(limit)))
            fresh = []
            if len(claimed) < limit:
                doomed = (packs.c.state == "committed") & (packs.c.doomed_at < doomed_before)
                fresh = _lock_unneeded(connection, doomed, limit=limit - len(claimed))
            rows = [row.id for row in fresh]
            drop_chunks(connection, rows)
            for start in range(0, len(rows), BATCH):
                connection.execute(update(packs).where(packs.c.id.in_(rows[start : start + BATCH])).values(state="deleting"))
            return [as_pack_record(row) for row in (*claimed, *fresh)]

        return self._database.write(work)

    def forget(self, ids: Iterable[PackId]) -> None:
        """Drop the rows of claimed packs whose objects are deleted. For a while it is remembered whose they were."""
        gone = sorted(set(ids))
        self._database.write(lambda connection: forget_packs(connection, gone))

    def drop_uncommitted(self, *leases: LeaseId) -> None:
        """Drop the rows of what dead commits have stored."""
        self._database.write(lambda connection: drop_pending(connection, leases))

    def _find(
        self, query: Select[Any], entity: str, lease: LeaseId, digests: Sequence[Digest], avoided: Container[PackId]
    ) -> dict[Digest, ChunkRef]:
        def look(connection: Connection) -> list[Any]:
            rows: list[Any] = []
            for start in range(0, len(digests), BATCH):
                given = {"entity": entity, "lease": lease, "digests": digests[start : start + BATCH]}
                rows += connection.execute(query, given).all()
            return rows

        rows = self._database.read_once(look) if digests else []
        rows = [row for row in rows if row.pack not in avoided]
        found = {row.digest: ChunkRef(*row[:5]) for row in rows if row.is_to_be_had}
        others = {row.digest: ChunkRef(*row[:5]) for row in rows if row.digest not in found}
        if others:
            wanted = {ref.pack for ref in others.values()}
            had = self._database.write(lambda connection: _take(connection, lease, wanted))
            found |= {digest: ref for digest, ref in others.items() if ref.pack in had}
        return found

    def _rows_after(self, low: int) -> list[Row[Any]]:
        query = select(packs).where(packs.c.id > low).order_by(packs.c.id).limit(BATCH)
        return self._database.read(lambda connection: list(connection.execute(query)))


def _take(connection: Connection, lease: LeaseId, wanted: Collection[PackId]) -> set[PackId]:
    """Make packs that are doomed, or of another commit, committed ones, for what is under way under `lease`; those that can be had.

    Doomed again while the lease lives, they stay for as long as it does (I4). Whoever gives up what another commit has stored, that
    one or gc, drops the rows before it deletes the objects: it has come before this, or leaves what is committed by then.
    """
    lock_active_lease(connection, lease, for_what="storing content", shared=True)
    rows: dict[int, PackId] = {}
    for batch in in_batches(sorted(wanted)):
        query = select(packs.c.id, packs.c.pack).where(packs.c.pack.in_(batch), packs.c.state != "deleting")
        rows.update((row.id, PackId(row.pack)) for row in connection.execute(query.order_by(packs.c.pack).with_for_update()))
    for some in in_batches(list(rows)):
        connection.execute(update(packs).where(packs.c.id.in_(some)).values(state="committed", doomed_at=None))
    return set(rows.values())


def _lock_unneeded(connection: Connection, criterion: Any, *, limit: int | None = None) -> list[Row[Any]]:
    """Lock the packs that meet the criterion and that nothing needs.

    In two steps, as one statement would judge by what was committed before it got the lock: a commit that held the lock may have
    come to need the pack meanwhile (I4). A commit that comes later waits for our lock and then sees what we did.
    """
    query = select(packs.c.id).where(criterion, IS_UNNEEDED).order_by(packs.c.pack).limit(limit).with_for_update()
    locked = list(connection.execute(query).scalars())
    rows: list[Row[Any]] = []
    for start in range(0, len(locked), BATCH):
        still = select(packs).where(packs.c.id.in_(locked[start : start + BATCH]), criterion, IS_UNNEEDED).order_by(packs.c.pack)
        rows.extend(connection.execute(still))
    return rows
