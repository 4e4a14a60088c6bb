"""Runs and lineage edges inside a transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from artfs.errors import NotFound
from artfs.model.records import Direction, RunRecord, RunState
from artfs.registry.dialects import insert_missing, now
from artfs.registry.schema import entities, lineage, projects, runs
from artfs.registry.suggestions import missing_run


def add_edge(connection: Connection, run_id: str, version_id: int, direction: Direction) -> None:
    """Record that the run used or has logged the version; once, however often it is said. NotFound when there is no such run."""
    insert_missing(
        connection,
        lineage,
        run_id=require_run(connection, run_id),
        version_id=version_id,
        direction=direction.value,
        created_at=now(connection),
    )


def require_run(connection: Connection, run_id: str) -> int:
    """The row of a run. Raises NotFound."""
    found: int | None = connection.execute(select(runs.c.id).where(runs.c.run == run_id)).scalar()
    if found is None:
        raise NotFound(missing_run(connection, run_id))
    return found


def select_runs(
    connection: Connection, *criteria: ColumnElement[bool], order_by: Any = None, through_lineage: bool = False
) -> list[RunRecord]:
    """The runs that meet all criteria; those may be on the lineage when that is joined."""
    query = (
        select(runs, projects.c.name.label("project_name"), entities.c.name.label("entity_name"))
        .join(projects, projects.c.id == runs.c.project_id)
        .join(entities, entities.c.id == projects.c.entity_id)
    )
    if through_lineage:
        query = query.join(lineage, lineage.c.run_id == runs.c.id)
    return [
        RunRecord(
            id=row.run,
            entity=row.entity_name,
            project=row.project_name,
            name=row.name,
            job_type=row.job_type,
            group=row.group_name,
            config=row.config,
            state=RunState(row.state),
            created_at=row.created_at,
            finished_at=row.finished_at,
        )
        for row in connection.execute(query.where(*criteria).order_by(order_by))
    ]
