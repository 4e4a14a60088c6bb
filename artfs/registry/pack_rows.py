"""Packs and the chunk index inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, exists, select

from artfs.model.entry import ChunkRef, LeaseId
from artfs.registry import dialects
from artfs.registry.batches import in_batches
from artfs.registry.schema import chunks, contribution_packs, packs, version_packs

#: Nothing that anybody can see needs the pack.
IS_UNNEEDED: ColumnElement[bool] = ~(
    exists().where(version_packs.c.pack_id == packs.c.id) | exists().where(contribution_packs.c.pack_id == packs.c.id)
)

#: All rows as one statement: one round trip, where a statement for each row would fill the line with their texts. Arrays in binary
#: (`b`): written as text they take half as long again here, and twice the bytes.
_ADD_IN_POSTGRES = """
    INSERT INTO chunks (entity_id, pack_id, digest, "offset", stored_size, size)
    SELECT %(entity)s, %(pack)s, given.*
    FROM unnest(%(digests)b::bytea[], %(offsets)b::bigint[], %(stored)b::bigint[], %(sizes)b::bigint[]) AS given
    ON CONFLICT DO NOTHING
"""
_CHUNK_COLUMNS = ["entity_id", "digest", "pack_id", "offset", "stored_size", "size"]


def add_chunks(connection: Connection, entity_id: int, pack_row: int, refs: Sequence[ChunkRef]) -> None:
    """Enter the chunks of a pack into the index; a digest the pack holds twice is entered once."""
    if not refs:
        return
    if connection.dialect.name == "postgresql":
        columns = zip(*((ref.digest, ref.offset, ref.stored_size, ref.size) for ref in refs), strict=True)
        given = dict(zip(("digests", "offsets", "stored", "sizes"), map(list, columns), strict=True))
        connection.exec_driver_sql(_ADD_IN_POSTGRES, {"entity": entity_id, "pack": pack_row, **given})
        return
    # Rows are handed to the driver as they are: SQLAlchemy's own handling of each took longer than SQLite's, and half a second of a
    # gibibyte's ingest, in which no other thread could run.
    statement = dialects.insert(connection, chunks).on_conflict_do_nothing()
    compiled = statement.compile(dialect=connection.dialect, column_keys=_CHUNK_COLUMNS)
    rows = [(entity_id, ref.digest, pack_row, ref.offset, ref.stored_size, ref.size) for ref in refs]
    connection.exec_driver_sql(str(compiled), rows)


def drop_chunks(connection: Connection, pack_rows: Sequence[int]) -> None:
    """Take the chunks of these packs out of the index: no commit finds them any more."""
    for batch in in_batches(pack_rows):
        connection.execute(delete(chunks).where(chunks.c.pack_id.in_(batch)))


def drop_pending(connection: Connection, leases: Sequence[LeaseId]) -> None:
    """Drop the packs that commits have written which have not been committed, and their chunks."""
    rows: list[int] = []
    ordered = sorted(leases)  # as the packs, whose ids begin with them
    for some in in_batches(ordered):
        pending = packs.c.lease.in_(some) & (packs.c.state == "pending")
        # Locked first, so that none of them can be committed between the two deletions.
        query = select(packs.c.id).where(pending).order_by(packs.c.pack).with_for_update()
        rows += connection.execute(query).scalars()
    drop_chunks(connection, rows)
    for batch in in_batches(rows):
        connection.execute(delete(packs).where(packs.c.id.in_(batch)))


def insert_pack(connection: Connection, values: dict[str, object]) -> int:
    """The row of a pack, inserted unless a retry finds it there already."""
    statement = dialects.insert(connection, packs).values(values).on_conflict_do_nothing().returning(packs.c.id)
    row: int | None = connection.execute(statement).scalar()
    if row is None:
        row = connection.execute(select(packs.c.id).where(packs.c.pack == values["pack"])).scalar_one()
    return row
