"""Packs that are gone, inside a transaction: whose they were, and where the chunks that lay in them are now.

A reader may hold a reference into a pack that gc has deleted since: its version was deleted, or moved by a repack. Equal content
may lie elsewhere. Whoever asks names the missing pack, and is told of chunks of the entity alone whose pack that was: the ids of
packs are random, so only who has read a manifest of that entity knows one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import Connection, delete, select, union

from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, PackId
from artfs.registry.batches import in_batches
from artfs.registry.dialects import insert, now
from artfs.registry.schema import chunks, collected_packs, packs

#: How long it is remembered whose a deleted pack was. Who has not looked a name up again for so long reads an error.
REMEMBERED = timedelta(days=30)


def forget_packs(connection: Connection, ids: Sequence[PackId]) -> None:
    """Drop the rows of packs that are being deleted, and remember whose they were; those of long ago are forgotten for good."""
    time = now(connection)
    for batch in in_batches(ids):
        gone = (packs.c.pack.in_(batch)) & (packs.c.state == "deleting")
        rows = [
            {"pack": row.pack, "entity_id": row.entity_id, "collected_at": time}
            for row in connection.execute(select(packs.c.pack, packs.c.entity_id).where(gone))
        ]
        if rows:
            connection.execute(insert(connection, collected_packs).on_conflict_do_nothing(), rows)
            connection.execute(delete(packs).where(gone))
    connection.execute(delete(collected_packs).where(collected_packs.c.collected_at < time - REMEMBERED))


def relocate_chunks(connection: Connection, refs: Iterable[ChunkRef]) -> dict[Digest, ChunkRef]:
    """For each of `refs` that is found in a committed pack of the same entity, other than the packs of `refs`: its place there."""
    by_pack: dict[PackId, list[Digest]] = {}
    for ref in refs:
        by_pack.setdefault(ref.pack, []).append(ref.digest)
    wanted: dict[int, set[Digest]] = {}
    for pack, entity_id in _owners(connection, sorted(by_pack)):
        wanted.setdefault(entity_id, set()).update(by_pack[pack])
    found: dict[Digest, ChunkRef] = {}
    for entity_id, digests in wanted.items():
        found.update(_find(connection, entity_id, sorted(digests), by_pack.keys()))
    return found


def _owners(connection: Connection, ids: Sequence[PackId]) -> Iterable[tuple[PackId, int]]:
    for batch in in_batches(ids):
        query = union(
            *(select(table.c.pack, table.c.entity_id).where(table.c.pack.in_(batch)) for table in (packs, collected_packs))
        )
        yield from ((PackId(row.pack), row.entity_id) for row in connection.execute(query))


def _find(connection: Connection, entity_id: int, digests: Sequence[Digest], missing: Iterable[PackId]) -> dict[Digest, ChunkRef]:
    found: dict[Digest, ChunkRef] = {}
    gone = frozenset(missing)
    for batch in in_batches(digests):
        asked = select(chunks).where(chunks.c.entity_id == entity_id, chunks.c.digest.in_(batch))
        # MATERIALIZED: without it, and without statistics, PostgreSQL reads all chunks of each pack instead of the few asked for.
        lying = asked.cte("lying").prefix_with("MATERIALIZED", dialect="postgresql")
        query = (
            select(lying.c.digest, lying.c.size, packs.c.pack, lying.c.offset, lying.c.stored_size)
            .join(packs, packs.c.id == lying.c.pack_id)
            .where(packs.c.state == "committed")
            # Those that are about to go first, so that the others, found later, take their place.
            .order_by(packs.c.doomed_at.is_(None), packs.c.id)
        )
        for row in connection.execute(query):
            if row.pack not in gone:
                found[row.digest] = ChunkRef(*row)
    return found
