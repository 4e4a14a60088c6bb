"""Who needs each pack, inside a transaction: a few queries for hundreds of packs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, Table, func, select

from artfs.model.entry import PackId
from artfs.model.names import format_version_label
from artfs.model.pack_uses import Needing, PackUse
from artfs.model.records import PackRecord
from artfs.registry.batches import BATCH
from artfs.registry.lease_rows import select_leases
from artfs.registry.schema import (
    collections,
    contribution_packs,
    contributions,
    entities,
    leases,
    packs,
    projects,
    version_packs,
    versions,
)

#: Versions named of those that need a pack; of the others it is said how many they are.
NAMED = 3


def as_pack_record(row: Row[Any]) -> PackRecord:
    return PackRecord(
        id=PackId(row.pack),
        size=row.size,
        created_at=row.created_at,
        committed=row.state != "pending",
        doomed_at=row.doomed_at,
    )


def select_uses(connection: Connection, after: int, limit: int, ignored: Collection[int]) -> tuple[list[PackUse], int]:
    """The uses of the packs whose rows come after `after`, and the last of these rows.

    What the contributions `ignored` need counts as needed by nobody.
    """
    query = select(packs, entities.c.name.label("entity")).join(entities).where(packs.c.id > after)
    rows = connection.execute(query.order_by(packs.c.id).limit(limit)).all()
    if not rows:
        return [], after
    ids = [row.id for row in rows]
    by_version = _needing(connection, version_packs, version_packs.c.version_id, ids, _version_names)
    by_contribution = _needing(
        connection, contribution_packs, contribution_packs.c.contribution_id, ids, _set_names, ignored=ignored
    )
    wrote = {lease.id: lease for lease in select_leases(connection, leases.c.lease.in_({row.lease for row in rows}))}
    uses = [
        PackUse(
            pack=as_pack_record(row),
            entity=row.entity,
            deleting=row.state == "deleting",
            versions=by_version.get(row.id, Needing()),
            contributions=by_contribution.get(row.id, Needing()),
            lease=wrote.get(row.lease),
        )
        for row in rows
    ]
    return uses, ids[-1]


def _needing(
    connection: Connection,
    table: Table,
    holder: Column[int],
    pack_rows: Sequence[int],
    names_of: Callable[[Connection, Sequence[int]], Mapping[int, str]],
    *,
    ignored: Collection[int] = (),
) -> dict[int, Needing]:
    """By the row of a pack, who has it in `table`. `holder` is the column that says who, `names_of` what they are called."""
    place = func.row_number().over(partition_by=table.c.pack_id, order_by=holder)
    total = func.count().over(partition_by=table.c.pack_id)
    ranked = select(table.c.pack_id, holder.label("holder"), total.label("total"), place.label("place"))
    ranked = ranked.where(table.c.pack_id.in_(pack_rows), holder.not_in(ignored))
    firsts = ranked.subquery()
    query = select(firsts).where(firsts.c.place <= NAMED).order_by(firsts.c.pack_id, firsts.c.place)
    rows = connection.execute(query).all()
    names = names_of(connection, sorted({row.holder for row in rows}))
    found: dict[int, tuple[int, list[str]]] = {}
    for row in rows:
        found.setdefault(row.pack_id, (row.total, []))[1].append(names[row.holder])
    return {pack: Needing(count, tuple(dict.fromkeys(first))) for pack, (count, first) in found.items()}


def _version_names(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    query = _with_names(select(versions.c.id, versions.c.number, *_NAMES), versions.c.collection_id)
    rows = _batched(connection, query, versions.c.id, ids)
    return {row.id: f"{row.entity}/{row.project}/{row.collection}:{format_version_label(row.number)}" for row in rows}


def _set_names(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """Contributions are called by the set that they belong to, as that is what people finish."""
    query = _with_names(select(contributions.c.id, contributions.c.distributed_id, *_NAMES), contributions.c.collection_id)
    rows = _batched(connection, query, contributions.c.id, ids)
    return {row.id: f"{row.entity}/{row.project}/{row.collection} ({row.distributed_id!r})" for row in rows}


_NAMES = (entities.c.name.label("entity"), projects.c.name.label("project"), collections.c.name.label("collection"))


def _with_names(query: Select[Any], collection_id: Column[int]) -> Select[Any]:
    return (
        query.join(collections, collections.c.id == collection_id)
        .join(projects, projects.c.id == collections.c.project_id)
        .join(entities, entities.c.id == projects.c.entity_id)
    )


def _batched(connection: Connection, query: Select[Any], column: Column[int], ids: Sequence[int]) -> Iterator[Row[Any]]:
    for start in range(0, len(ids), BATCH):
        yield from connection.execute(query.where(column.in_(ids[start : start + BATCH])))
