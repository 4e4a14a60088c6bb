"""`artfs runs`: the runs of the project, or one of them with what it used and logged."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from artfs.cli.context import current
from artfs.cli.forms import run_form, version_form
from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Column, print_fields, print_json, print_table
from artfs.model.records import RunRecord
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository

EXAMPLE = "artfs runs --json"
_COLUMNS = [Column("id", style="bold"), Column("name"), Column("job type"), Column("group"), Column("state"), Column("created")]


def command(
    ctx: typer.Context,
    run_id: Annotated[str | None, typer.Argument(metavar="ID", help="A run, to see what it has used and logged.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of the project, or show one of them.

    Newest first: id, name, job type, group, state, time of creation. With an ID, also the versions that it has used and logged.
    """
    invocation = current(ctx)
    with open_repository(invocation.config) as repository:
        if run_id is not None:
            _show(repository, repository.registry.runs.get(run_id), as_json=as_json)
            return
        runs = repository.registry.runs.list(invocation.config.entity, invocation.config.project)
    if as_json:
        print_json([run_form(run) for run in runs])
    else:
        print_table(_COLUMNS, map(_row, runs))


def _row(run: RunRecord) -> list[Cell]:
    return [run.id, run.name, run.job_type, run.group, run.state.value, run.created_at]


def _show(repository: Repository, run: RunRecord, *, as_json: bool) -> None:
    inputs, outputs = repository.registry.lineage.inputs(run.id), repository.registry.lineage.outputs(run.id)
    if as_json:
        versions = {
            "inputs": [version_form(version) for version in inputs],
            "outputs": [version_form(version) for version in outputs],
        }
        print_json({**run_form(run), **versions})
        return
    fields: list[tuple[str, Cell | list[str]]] = [
        *((column.heading, cell) for column, cell in zip(_COLUMNS, _row(run), strict=True)),
        ("finished", run.finished_at),
        ("config", [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in sorted(run.config.items())]),
        ("used", [version.name for version in inputs]),
        ("logged", [version.name for version in outputs]),
    ]
    print_fields(fields)
