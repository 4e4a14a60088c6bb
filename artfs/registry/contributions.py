"""Contributions of parallel writers to a version that is not finished. Any thread; every method is one transaction.

A contribution is as durable as a version (I1), and what it needs is kept from gc (I4), until a version is made of it or it is given
up. Locks are taken in the order collection, lease, packs, as in a commit. A writer that adds does not lock the collection: writers
wait for nobody but those who need the same packs in that moment, and one that races with a finish contributes to the next version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from artfs.errors import Conflict
from artfs.model.chunk_list import decode_chunk_ref, encode_chunk_ref
from artfs.model.contributions import ContributionDraft, ContributionRecord, ContributionSet, Wishes
from artfs.model.entry import PackId
from artfs.model.names import ArtifactName
from artfs.model.records import CommitOutcome, VersionDraft, VersionRecord, VersionState
from artfs.registry.batches import in_batches
from artfs.registry.commit import claim_packs, commit_draft
from artfs.registry.database import Database
from artfs.registry.dialects import now
from artfs.registry.lease_rows import end_lease, lock_active_lease
from artfs.registry.lineage_rows import require_run
from artfs.registry.schema import collections, contribution_packs, contributions, entities, packs, projects, runs
from artfs.registry.scopes import ensure_collection, find_collection_id, is_artifact, lock_collection_of, require_collection
from artfs.registry.version_rows import get_version

_IS_UNFINISHED: ColumnElement[bool] = contributions.c.version_id.is_(None)

_CONTRIBUTIONS = (
    select(
        contributions,
        collections.c.name.label("collection_name"),
        collections.c.type,
        projects.c.name.label("project_name"),
        entities.c.name.label("entity_name"),
        runs.c.run,
        runs.c.name.label("run_name"),
    )
    .join(collections, collections.c.id == contributions.c.collection_id)
    .join(projects, projects.c.id == collections.c.project_id)
    .join(entities, entities.c.id == projects.c.entity_id)
    .join(runs, runs.c.id == contributions.c.run_id)
)


class Contributions:
    """The contributions of all artifacts that no version was made of yet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, draft: ContributionDraft) -> None:
        """Keep a contribution until it is finished or given up, and end its lease.

        Raises UserError when the artifact has another type, LeaseLost or Conflict when packs that are needed may be gone (I4).
        """

        def work(connection: Connection) -> None:
            collection = require_collection(connection, draft.artifact, draft.type)
            lock_active_lease(connection, draft.lease, for_what=f"the contribution to {draft.artifact}")
            pack_rows = claim_packs(connection, draft.artifact, draft.lease, draft.needed_packs)
            statement = insert(contributions).values(
                collection_id=collection.id,
                distributed_id=draft.distributed_id,
                run_id=require_run(connection, draft.run_id),
                manifest=encode_chunk_ref(draft.manifest),
                wishes=_encode_wishes(draft.wishes),
                created_at=now(connection),
                size=draft.size,
                file_count=draft.file_count,
            )
            contribution: int = connection.execute(statement.returning(contributions.c.id)).scalar_one()
            rows = [{"contribution_id": contribution, "pack_id": pack} for pack in pack_rows]
            connection.execute(insert(contribution_packs), rows)
            end_lease(connection, draft.lease)

        self._database.write(work)

    def list_of(self, artifact: ArtifactName, distributed_id: str) -> list[ContributionRecord]:
        """What was contributed to the version of this id that is not finished, in order."""
        criteria = (is_artifact(artifact), contributions.c.distributed_id == distributed_id)
        return self._database.read(lambda connection: _select(connection, *criteria))

    def finish(self, draft: VersionDraft, merged: Sequence[int]) -> CommitOutcome | None:
        """Make a version of `draft`, which holds what the contributions `merged` have, or give the one of its content (I8).

        Their runs become producers of it, in the order given and before the run of the draft. None, and nothing happens, when one
        of the contributions was finished meanwhile. Raises Conflict when one was given up, otherwise as `Versions.commit`.
        """

        def work(connection: Connection) -> CommitOutcome | None:
            ensure_collection(connection, draft.artifact, draft.type)
            # Only now: under the lock, nobody else finishes them or gives them up.
            found = {row.id: row for row in _rows(connection, merged)}
            if len(found) != len(set(merged)):
                raise Conflict(
                    f"what was contributed to {draft.artifact} was given up as abandoned in this moment: contribute it again"
                )
            if any(row.version_id is not None for row in found.values()):
                return None
            outcome = commit_draft(connection, draft, [found[number].run for number in merged])
            _release(connection, merged)
            for batch in in_batches(merged):
                finished = update(contributions).where(contributions.c.id.in_(batch))
                connection.execute(finished.values(version_id=outcome.version.id))
            return outcome

        return self._database.write(work)

    def find_finished(self, artifact: ArtifactName, distributed_id: str) -> tuple[VersionRecord, int] | None:
        """The version that was finished last under this id, and how many contributions it has; None where it was deleted."""

        def work(connection: Connection) -> tuple[VersionRecord, int] | None:
            collection = contributions.c.collection_id == find_collection_id(connection, artifact)
            mine = collection & (contributions.c.distributed_id == distributed_id)
            finished = select(contributions.c.version_id).where(mine, ~_IS_UNFINISHED)
            number = connection.execute(finished.order_by(contributions.c.id.desc()).limit(1)).scalar()
            version = None if number is None else get_version(connection, number)
            if version is None or version.state is not VersionState.COMMITTED:
                return None
            count = select(func.count()).select_from(contributions).where(mine, contributions.c.version_id == version.id)
            return version, connection.execute(count).scalar_one()

        return self._database.read(work)

    def list_all(self) -> list[ContributionRecord]:
        """All contributions that are not finished, in order."""
        return self._database.read(_select)

    def list_sets(self, *, idle_s: float = 0) -> list[ContributionSet]:
        """The sets that are not finished and to which nobody has contributed for `idle_s` seconds, the oldest first."""

        def work(connection: Connection) -> list[ContributionSet]:
            return [found for found in _sets(_select(connection)) if _is_idle(connection, found, idle_s)]

        return self._database.read(work)

    def give_up(self, artifact: ArtifactName, distributed_id: str, *, idle_s: float) -> ContributionSet | None:
        """Drop a whole set, unless somebody has contributed to it within `idle_s` seconds: then None, and nothing happens."""

        def work(connection: Connection) -> ContributionSet | None:
            collection_id = find_collection_id(connection, artifact)
            if collection_id is None:
                return None
            lock_collection_of(connection, collection_id)
            found = _select(connection, is_artifact(artifact), contributions.c.distributed_id == distributed_id)
            if not found or not _is_idle(connection, _sets(found)[0], idle_s):
                return None
            # Those that were found, and no others: one that is added in this moment begins a set of its own.
            numbers = [record.id for record in found]
            _release(connection, numbers)
            for batch in in_batches(numbers):
                connection.execute(delete(contributions).where(contributions.c.id.in_(batch)))
            return _sets(found)[0]

        return self._database.write(work)

    def needed_packs(self, numbers: Iterable[int]) -> frozenset[PackId]:
        """The packs that the contributions with these ids need; one that was finished or given up needs none."""
        return frozenset[PackId]().union(*self.needed_by_each(numbers).values())

    def needed_by_each(self, numbers: Iterable[int]) -> dict[int, frozenset[PackId]]:
        """The packs that each of the contributions needs, in a few queries; none of those that were finished or given up."""
        wanted = sorted(set(numbers))

        def work(connection: Connection) -> dict[int, frozenset[PackId]]:
            found: dict[int, set[PackId]] = {number: set() for number in wanted}
            query = select(contribution_packs.c.contribution_id, packs.c.pack).join(packs)
            for batch in in_batches(wanted):
                for row in connection.execute(query.where(contribution_packs.c.contribution_id.in_(batch))):
                    found[row.contribution_id].add(PackId(row.pack))
            return {number: frozenset(needed) for number, needed in found.items()}

        return self._database.read(work)


def _select(connection: Connection, *criteria: ColumnElement[bool]) -> list[ContributionRecord]:
    query = _CONTRIBUTIONS.where(_IS_UNFINISHED, *criteria).order_by(contributions.c.id)
    return [_as_record(row) for row in connection.execute(query)]


def _rows(connection: Connection, numbers: Sequence[int]) -> list[Row[Any]]:
    """Id, run and version of those of the contributions that are there, finished ones among them."""
    query = select(contributions.c.id, contributions.c.version_id, runs.c.run).join(runs, runs.c.id == contributions.c.run_id)
    rows: list[Row[Any]] = []
    for batch in in_batches(numbers):
        rows.extend(connection.execute(query.where(contributions.c.id.in_(batch))))
    return rows


def _release(connection: Connection, numbers: Sequence[int]) -> None:
    """The contributions need their packs no longer (I4): a version does by now, or nobody."""
    for batch in in_batches(numbers):
        connection.execute(delete(contribution_packs).where(contribution_packs.c.contribution_id.in_(batch)))


def _is_idle(connection: Connection, found: ContributionSet, idle_s: float) -> bool:
    return found.last_at <= now(connection) - timedelta(seconds=idle_s)


def _sets(records: Iterable[ContributionRecord]) -> list[ContributionSet]:
    """The records, set by set; the set with the oldest contribution first."""
    by_set: dict[tuple[ArtifactName, str], list[ContributionRecord]] = {}
    for record in records:
        by_set.setdefault((record.artifact, record.distributed_id), []).append(record)
    return [
        ContributionSet(
            artifact=artifact,
            type=members[0].type,
            distributed_id=distributed_id,
            writers=tuple(dict.fromkeys(member.writer for member in members)),
            contributions=len(members),
            size=sum(member.size for member in members),
            file_count=sum(member.file_count for member in members),
            first_at=members[0].created_at,
            last_at=max(member.created_at for member in members),
        )
        for (artifact, distributed_id), members in by_set.items()
    ]


def _as_record(row: Row[Any]) -> ContributionRecord:
    return ContributionRecord(
        id=row.id,
        artifact=ArtifactName(row.entity_name, row.project_name, row.collection_name),
        type=row.type,
        distributed_id=row.distributed_id,
        run_id=row.run,
        run_name=row.run_name,
        manifest=decode_chunk_ref(row.manifest),
        size=row.size,
        file_count=row.file_count,
        wishes=_decode_wishes(row.wishes),
        created_at=row.created_at,
    )


def _encode_wishes(wishes: Wishes) -> dict[str, Any]:
    said = {
        "aliases": list(wishes.aliases),
        "description": wishes.description,
        "metadata": dict(wishes.metadata),
        "overwrite": wishes.overwrite,
    }
    return {key: value for key, value in said.items() if value not in (None, [], {}, False)}


def _decode_wishes(said: Mapping[str, Any]) -> Wishes:
    return Wishes(tuple(said.get("aliases", ())), said.get("description"), said.get("metadata", {}), said.get("overwrite", False))
