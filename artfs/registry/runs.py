"""Runs. Any thread; every method is one transaction."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, update

from artfs.errors import AlreadyExists, NameNotValid, NotFound
from artfs.model.records import RunRecord, RunState
from artfs.registry.database import Database
from artfs.registry.dialects import insert, now
from artfs.registry.lineage_rows import require_run, select_runs
from artfs.registry.schema import runs
from artfs.registry.scopes import ensure_project, is_project
from artfs.registry.suggestions import missing_run

_RUN_ID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9_.-]{1,128}")
_RUN_ID_LETTERS = string.ascii_lowercase + string.digits


class Runs:
    """The runs of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        entity: str,
        project: str,
        *,
        name: str | None = None,
        job_type: str | None = None,
        group: str | None = None,
        config: Mapping[str, Any] | None = None,
        run_id: str | None = None,
    ) -> RunRecord:
        """A new run, running. Without `run_id` it gets a random one, without `name` that is its name."""
        if run_id is not None and not _RUN_ID.fullmatch(run_id):
            raise NameNotValid(f"{run_id!r} is not a valid run id: use 1 to 128 of the characters A-Z a-z 0-9 _ . -")

        def work(connection: Connection) -> RunRecord:
            run = run_id or "".join(secrets.choice(_RUN_ID_LETTERS) for _ in range(8))
            values = {
                "run": run,
                "project_id": ensure_project(connection, entity, project),
                "name": name or run,
                "job_type": job_type,
                "group_name": group,
                "config": config or {},
                "state": RunState.RUNNING.value,
                "created_at": now(connection),
            }
            statement = insert(connection, runs).values(values).on_conflict_do_nothing().returning(runs.c.id)
            if connection.execute(statement).scalar() is None:
                raise AlreadyExists(f"there is a run {run!r} already: choose another id, or none to get a new one")
            return select_runs(connection, runs.c.run == run)[0]

        return self._database.write(work)

    def finish(self, run_id: str, state: RunState) -> None:
        """Say how the run ended."""

        def work(connection: Connection) -> None:
            run = require_run(connection, run_id)
            finished_at = None if state is RunState.RUNNING else now(connection)
            connection.execute(update(runs).where(runs.c.id == run).values(state=state.value, finished_at=finished_at))

        self._database.write(work)

    def resume(self, run_id: str, *, group: str | None = None) -> RunRecord:
        """The run goes on, in another group if one is given; as it is from now on."""

        def work(connection: Connection) -> RunRecord:
            changes: dict[str, Any] = {"state": RunState.RUNNING.value, "finished_at": None}
            if group is not None:
                changes["group_name"] = group
            connection.execute(update(runs).where(runs.c.id == require_run(connection, run_id)).values(changes))
            return select_runs(connection, runs.c.run == run_id)[0]

        return self._database.write(work)

    def get(self, run_id: str) -> RunRecord:
        """The run with this id. Raises NotFound."""

        def work(connection: Connection) -> RunRecord:
            found = select_runs(connection, runs.c.run == run_id)
            if not found:
                raise NotFound(missing_run(connection, run_id))
            return found[0]

        return self._database.read(work)

    def list(self, entity: str, project: str) -> list[RunRecord]:
        """The runs of a project, newest first; none when there is no such project."""
        return self._database.read(lambda c: select_runs(c, is_project(entity, project), order_by=runs.c.id.desc()))
