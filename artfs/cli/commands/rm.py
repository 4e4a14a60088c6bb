"""`artfs rm`: delete versions."""

from __future__ import annotations

from typing import Annotated

import typer

from artfs.cli.completion import complete_version
from artfs.cli.context import current
from artfs.cli.output import print_line
from artfs.errors import Conflict
from artfs.repository.open import open_repository

EXAMPLE = "artfs rm pets:v0"


def command(
    ctx: typer.Context,
    versions: Annotated[
        list[str], typer.Argument(metavar="NAME:VERSION", help="Versions, by number or alias.", autocompletion=complete_version)
    ],
    delete_aliases: Annotated[bool, typer.Option("--aliases", help="Delete the aliases of the versions, too.")] = False,
) -> None:
    """Delete versions.

    A version that has an alias is refused, and then nothing is deleted, unless --aliases is said. The number is never used again;
    the bytes that no other version needs are freed by `artfs gc`. Prints what was deleted.
    """
    invocation = current(ctx)
    names = [invocation.exact_version(text) for text in versions]
    with open_repository(invocation.config) as repository:
        # Two names may mean one version; and all are looked up before the first is deleted.
        records = {record.id: record for record in map(repository.registry.versions.resolve, names)}
        for record in records.values():
            if record.aliases and not delete_aliases:
                raise Conflict(f"{record.name} has the aliases {', '.join(record.aliases)}: move them first, or say --aliases")
        for record in records.values():
            repository.registry.versions.delete(record.id, delete_aliases=delete_aliases)
            print_line(record.name)
