"""The commit transaction: a draft becomes a version, and its aliases move, all at once (I1).

Locks are taken in the order collection, lease, packs, and everything is looked at only after its lock was got, so that racing
commits, heartbeats and gc each see the others' whole deed or nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, insert, select, update

from artfs.errors import AlreadyExists, Conflict, LeaseLost
from artfs.model.chunk_list import encode_chunk_ref
from artfs.model.entry import LeaseId, PackId
from artfs.model.names import LATEST, ArtifactName, check_alias, format_version_label
from artfs.model.records import CommitOutcome, Direction, VersionDraft, VersionImport, VersionRecord, VersionState
from artfs.registry.batches import in_batches
from artfs.registry.dialects import clock
from artfs.registry.lease_rows import end_lease, lock_active_lease
from artfs.registry.lineage_rows import add_edge
from artfs.registry.schema import collections, packs, version_packs, versions
from artfs.registry.scopes import CollectionRow, ensure_collection
from artfs.registry.version_rows import change_version, find_live, get_version, place_aliases


def commit_draft(connection: Connection, draft: VersionDraft, producers: Iterable[str] = ()) -> CommitOutcome:
    """Make a version of `draft`, or find the one that has its content already (I8).

    Its producers are the runs `producers`, in that order, and then the run of the draft.
    """
    asked = [check_alias(alias) for alias in (LATEST, *draft.aliases)]
    collection = ensure_collection(connection, draft.artifact, draft.type)
    existing = find_live(connection, collection.id, versions.c.digest == draft.digest)
    _check_number(draft, collection, existing)
    if existing is None:
        version_id = _insert_next(connection, draft, collection)
    else:
        # The lease need not be alive: nothing that it wrote is needed.
        version_id = existing.id
        _apply_notes(connection, draft, existing)
    end_lease(connection, draft.lease)
    place_aliases(connection, collection.id, version_id, asked)
    for run_id in dict.fromkeys((*producers, draft.run_id)):
        if run_id is not None:
            add_edge(connection, run_id, version_id, Direction.OUTPUT)
    return CommitOutcome(get_version(connection, version_id), created=existing is None)


def _check_number(draft: VersionDraft, collection: CollectionRow, existing: VersionRecord | None) -> None:
    expected = draft.expected_number
    # Content that is there already keeps its number; asking for exactly that one is fine too.
    if expected is None or expected == collection.next_number or (existing is not None and expected == existing.number):
        return
    wanted, following = format_version_label(expected), format_version_label(collection.next_number)
    if expected < collection.next_number:
        raise AlreadyExists(f"{draft.artifact} has had a {wanted} already: the next version is {following}")
    raise AlreadyExists(f"the next version of {draft.artifact} is {following}, not {wanted}")


def _insert_next(connection: Connection, draft: VersionDraft, collection: CollectionRow) -> int:
    number, time = collection.next_number, clock(connection)
    for_what = f"the commit of {draft.artifact}"
    version_id = insert_version(connection, draft, collection.id, number=number, created_at=time, for_what=for_what)
    connection.execute(update(collections).where(collections.c.id == collection.id).values(next_number=number + 1))
    return version_id


def insert_version(
    connection: Connection,
    draft: VersionDraft | VersionImport,
    collection_id: int,
    *,
    number: int,
    created_at: datetime | ColumnElement[datetime],
    for_what: str,
) -> int:
    """Make a version with this number and time; its id. The collection must be locked.

    Raises LeaseLost, which says `for_what` the lease was, and Conflict when packs that are needed may be gone (I4).
    """
    lock_active_lease(connection, draft.lease, for_what=for_what)
    pack_rows = claim_packs(connection, draft.artifact, draft.lease, draft.needed_packs)
    values = {
        "collection_id": collection_id,
        "number": number,
        "digest": draft.digest,
        "manifest": encode_chunk_ref(draft.manifest),
        "size": draft.size,
        "file_count": draft.file_count,
        "description": draft.description,
        "metadata": draft.metadata,
        "state": VersionState.COMMITTED.value,
        "created_at": created_at,
    }
    version_id: int = connection.execute(insert(versions).values(values).returning(versions.c.id)).scalar_one()
    add_needs(connection, version_id, pack_rows)
    return version_id


def add_needs(connection: Connection, version_id: int, pack_rows: Iterable[int]) -> None:
    """From now on the version needs these packs, which `claim_packs` has given."""
    rows = [{"version_id": version_id, "pack_id": pack_row} for pack_row in pack_rows]
    if rows:
        connection.execute(insert(version_packs), rows)


def claim_packs(connection: Connection, artifact: ArtifactName, lease: LeaseId, needed: Iterable[PackId]) -> list[int]:
    """The rows of all packs that content of `artifact` needs, from now on committed and not doomed (I4). Raises Conflict.

    `lease`, which the caller has locked, wrote those among them that are new.
    """
    ordered = sorted(needed)
    rows: list[int] = []
    for batch in in_batches(ordered):
        query = select(packs).where(packs.c.pack.in_(batch)).order_by(packs.c.pack).with_for_update()
        found = {row.pack: row for row in connection.execute(query)}
        for pack in batch:
            row = found.get(pack)
            if row is None or row.state == "deleting" or (row.state == "pending" and row.lease != lease):
                raise _collected(artifact, lease, pack)
            rows.append(row.id)
        changed = [row.id for row in found.values() if row.state != "committed" or row.doomed_at is not None]
        if changed:
            connection.execute(update(packs).where(packs.c.id.in_(changed)).values(state="committed", doomed_at=None))
    return rows


def _collected(artifact: ArtifactName, lease: LeaseId, pack: PackId) -> Conflict:
    if pack.startswith(lease):
        return LeaseLost(f"what was stored for {artifact} has been collected before it was committed: commit it again")
    return Conflict(f"{artifact} needs stored content that has just been collected (pack {pack.hex()}): commit it again")


def _apply_notes(connection: Connection, draft: VersionDraft, existing: VersionRecord) -> None:
    if draft.description is not None:
        change_version(connection, existing.id, description=draft.description)
    if draft.metadata:
        change_version(connection, existing.id, metadata={**existing.metadata, **draft.metadata})
