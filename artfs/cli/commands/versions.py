"""`artfs versions`: the versions of an artifact."""

from __future__ import annotations

import typer

from artfs.cli.context import current
from artfs.cli.forms import version_form
from artfs.cli.options import ArtifactArgument, JsonOption
from artfs.cli.output import Cell, Column, Size, print_json, print_table
from artfs.model.records import VersionRecord
from artfs.repository.open import open_repository

EXAMPLE = "artfs versions pets"
_COLUMNS = [
    Column("version", style="bold"),
    Column("aliases", style="cyan"),
    Column("size", right=True),
    Column("files", right=True),
    Column("created"),
    Column("description"),
]


def command(ctx: typer.Context, name: ArtifactArgument, as_json: JsonOption = False) -> None:
    """List the versions of an artifact, newest first.

    Version, aliases, size, number of files, time of creation, description.
    """
    invocation = current(ctx)
    artifact = invocation.artifact(name)
    with open_repository(invocation.config) as repository:
        versions = repository.names.versions(artifact)
    if as_json:
        print_json([version_form(version) for version in versions])
    else:
        print_table(_COLUMNS, map(_row, versions))


def _row(version: VersionRecord) -> list[Cell]:
    aliases = ",".join(version.aliases)
    return [version.label, aliases, Size(version.size), version.file_count, version.created_at, version.description]
