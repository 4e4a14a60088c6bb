"""Imports: versions, aliases, runs and lineage of another registry, as they are there. Any thread; every method is one transaction.

What comes in keeps its number, times and digest. It meets commits at the lock of the collection and follows their order of locks
(`commit`), so that the invariants hold whoever else writes: a number is given once (I2), content has one number (I8), and what a
version names is durable (I1) and kept from gc (I4). Everything may be done again: what is there already is found.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, true, update

from artfs.errors import Conflict
from artfs.model.names import ArtifactName, check_alias, format_version_label
from artfs.model.records import (
    AliasMoves,
    Direction,
    LineageEdge,
    NumberedVersion,
    RunRecord,
    RunState,
    VersionImport,
    VersionState,
)
from artfs.registry.batches import in_batches
from artfs.registry.commit import insert_version
from artfs.registry.database import Database
from artfs.registry.dialects import insert_missing
from artfs.registry.lease_rows import end_lease
from artfs.registry.lineage_rows import require_run, select_runs
from artfs.registry.schema import aliases, collections, entities, lineage, projects, runs, versions
from artfs.registry.scopes import ensure_collection, ensure_project, find_collection_id, lock_collection
from artfs.registry.version_rows import IS_LIVE, find_live, place_aliases


class Imports:
    """What another registry knows, in and out of this one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def numbers(self, artifact: ArtifactName) -> dict[int, NumberedVersion]:
        """What each number of the artifact stands for, deleted versions too; none when there is no such artifact."""
        query = select(versions.c.number, versions.c.digest, versions.c.state)

        def work(connection: Connection) -> dict[int, NumberedVersion]:
            rows = connection.execute(query.where(versions.c.collection_id == find_collection_id(connection, artifact)))
            return {row.number: NumberedVersion(row.number, row.digest, VersionState(row.state)) for row in rows}

        return self._database.read(work)

    def next_number(self, artifact: ArtifactName) -> int:
        """The number that the next version will get."""

        def work(connection: Connection) -> int:
            query = select(collections.c.next_number).where(collections.c.id == find_collection_id(connection, artifact))
            found: int | None = connection.execute(query).scalar()
            return found or 0

        return self._database.read(work)

    def add_version(self, draft: VersionImport) -> bool:
        """Make the version under its number; False when it is there already, deleted or not. Ends the lease.

        Raises Conflict when the number stands for other content, or the content has another number; and as a commit does when
        packs that are needed may be gone.
        """
        return self._database.write(lambda connection: _add_version(connection, draft))

    def place_aliases(
        self, artifact: ArtifactName, wanted: Mapping[str, int], *, among: Collection[int], force: bool = False
    ) -> AliasMoves:
        """Make aliases stand where they are `wanted`.

        One that stands on a version outside `among` is left there, unless `force` is given: it is somebody's own. So is one whose
        version is not here.
        """
        for name in wanted:
            check_alias(name)
        return self._database.write(lambda connection: _place_aliases(connection, artifact, wanted, None if force else among))

    def edges(self, artifact: ArtifactName) -> list[LineageEdge]:
        """All lineage of the versions of the artifact, in the order in which it came to be."""

        def work(connection: Connection) -> list[LineageEdge]:
            return _select_edges(connection, versions.c.collection_id == find_collection_id(connection, artifact))

        return self._database.read(work)

    def edges_of_runs(self, run_ids: Sequence[str], *, live: bool = False) -> list[LineageEdge]:
        """All lineage of the runs, in the order in which it came to be; with `live`, without that of deleted versions."""

        def work(connection: Connection) -> list[LineageEdge]:
            return [
                edge
                for batch in in_batches(run_ids)
                for edge in _select_edges(connection, runs.c.run.in_(batch), IS_LIVE if live else true())
            ]

        return self._database.read(work)

    def runs(self, run_ids: Sequence[str]) -> list[RunRecord]:
        """Those of the runs that are here, in the order in which they were made."""

        def work(connection: Connection) -> list[RunRecord]:
            return [
                run for batch in in_batches(run_ids) for run in select_runs(connection, runs.c.run.in_(batch), order_by=runs.c.id)
            ]

        return self._database.read(work)

    def add_run(self, run: RunRecord) -> bool:
        """Enter a run under its id, or bring it up to date. False when the id belongs to another run here."""
        return self._database.write(lambda connection: _add_run(connection, run))

    def add_edges(self, edges: Sequence[LineageEdge]) -> None:
        """Enter lineage of runs and live versions that are here; what is known already, and of other versions, is passed over."""

        def work(connection: Connection) -> None:
            for edge in edges:
                collection_id = find_collection_id(connection, edge.artifact)
                here = (versions.c.collection_id == collection_id) & (versions.c.number == edge.number)
                version_id = connection.execute(select(versions.c.id).where(here)).scalar()
                if version_id is not None:
                    _add_edge(connection, edge, version_id)

        self._database.write(work)


def _add_version(connection: Connection, draft: VersionImport) -> bool:
    collection = ensure_collection(connection, draft.artifact, draft.type)
    label = format_version_label(draft.number)
    here = (versions.c.collection_id == collection.id) & (versions.c.number == draft.number)
    found = connection.execute(select(versions.c.digest).where(here)).one_or_none()
    if found is not None and found.digest != draft.digest:
        raise Conflict(f"{draft.artifact}:{label} is there already and has other content: copy it under another name")
    if found is None:
        same = find_live(connection, collection.id, versions.c.digest == draft.digest)
        if same is not None:
            raise Conflict(f"the content of {label} is there already as {same.qualified_name}: copy it under another name")
        for_what = f"the copy of {draft.artifact}"
        insert_version(connection, draft, collection.id, number=draft.number, created_at=draft.created_at, for_what=for_what)
    following = max(collection.next_number, draft.next_number, draft.number + 1)
    if following != collection.next_number:
        connection.execute(update(collections).where(collections.c.id == collection.id).values(next_number=following))
    end_lease(connection, draft.lease)
    return found is None


def _place_aliases(
    connection: Connection, artifact: ArtifactName, wanted: Mapping[str, int], among: Collection[int] | None
) -> AliasMoves:
    collection_id = lock_collection(connection, artifact).id
    standing = select(aliases.c.name, versions.c.number).join(versions).where(aliases.c.collection_id == collection_id)
    before = {row.name: row.number for row in connection.execute(standing)}
    placed: dict[str, int] = {}
    left: dict[str, int] = {}
    for name, number in wanted.items():
        if before.get(name) == number:
            continue
        version = find_live(connection, collection_id, versions.c.number == number)
        if version is None or (among is not None and name in before and before[name] not in among):
            if name in before:
                left[name] = before[name]
            continue
        place_aliases(connection, collection_id, version.id, [name])
        placed[name] = number
    return AliasMoves(placed, left)


def _select_edges(connection: Connection, *criteria: ColumnElement[bool]) -> list[LineageEdge]:
    query = (
        select(
            runs.c.run,
            entities.c.name.label("entity"),
            projects.c.name.label("project"),
            collections.c.name.label("artifact"),
            versions.c.number,
            lineage.c.direction,
            lineage.c.created_at,
        )
        .select_from(lineage)
        .join(runs, runs.c.id == lineage.c.run_id)
        .join(versions, versions.c.id == lineage.c.version_id)
        .join(collections, collections.c.id == versions.c.collection_id)
        .join(projects, projects.c.id == collections.c.project_id)
        .join(entities, entities.c.id == projects.c.entity_id)
        .where(*criteria)
        .order_by(lineage.c.id)
    )
    return [
        LineageEdge(
            row.run, ArtifactName(row.entity, row.project, row.artifact), row.number, Direction(row.direction), row.created_at
        )
        for row in connection.execute(query)
    ]


def _add_run(connection: Connection, run: RunRecord) -> bool:
    found = select_runs(connection, runs.c.run == run.id)
    if not found:
        values: dict[str, Any] = {
            "run": run.id,
            "project_id": ensure_project(connection, run.entity, run.project),
            "name": run.name,
            "job_type": run.job_type,
            "group_name": run.group,
            "config": run.config,
            "created_at": run.created_at,
            "state": run.state.value,
            "finished_at": run.finished_at,
        }
        insert_missing(connection, runs, **values)
        found = select_runs(connection, runs.c.run == run.id)
    # Ids are chosen by people, too: two runs of one id, made at different times, are two runs.
    if (found[0].created_at, found[0].name) != (run.created_at, run.name):
        return False
    if found[0].state is RunState.RUNNING and run.state is not RunState.RUNNING:
        ended = {"state": run.state.value, "finished_at": run.finished_at}
        connection.execute(update(runs).where(runs.c.run == run.id).values(ended))
    return True


def _add_edge(connection: Connection, edge: LineageEdge, version_id: int) -> None:
    insert_missing(
        connection,
        lineage,
        run_id=require_run(connection, edge.run_id),
        version_id=version_id,
        direction=edge.direction.value,
        created_at=edge.created_at,
    )
