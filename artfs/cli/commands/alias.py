"""`artfs alias`: move aliases to a version."""

from __future__ import annotations

from typing import Annotated

import typer

from artfs.cli.completion import complete_alias
from artfs.cli.context import current
from artfs.cli.forms import version_form
from artfs.cli.options import JsonOption, VersionArgument
from artfs.cli.output import print_json, print_line
from artfs.model.names import check_aliases
from artfs.repository.open import open_repository

EXAMPLE = "artfs alias pets:v0 stable approved"


def command(
    ctx: typer.Context,
    version: VersionArgument,
    aliases: Annotated[list[str], typer.Argument(metavar="ALIAS", help="New or existing aliases.", autocompletion=complete_alias)],
    as_json: JsonOption = False,
) -> None:
    """Move aliases to a version.

    An alias is on one version of an artifact: it leaves the one that has it. Prints the version and all aliases it has now.
    """
    invocation = current(ctx)
    name = invocation.version(version)
    checked = check_aliases(aliases)
    with open_repository(invocation.config) as repository:
        record = repository.registry.versions.resolve(name)
        record = repository.registry.versions.edit_aliases(record.id, add=checked)
    if as_json:
        print_json(version_form(record))
    else:
        print_line(f"{record.name}\t{','.join(record.aliases)}")
