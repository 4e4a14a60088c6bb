"""`artfs unalias`: take aliases away."""

from __future__ import annotations

from typing import Annotated

import typer

from artfs.cli.completion import complete_alias
from artfs.cli.context import current
from artfs.cli.options import ArtifactArgument
from artfs.errors import NotFound
from artfs.model.names import check_aliases
from artfs.repository.open import open_repository

EXAMPLE = "artfs unalias pets stable"


def command(
    ctx: typer.Context,
    name: ArtifactArgument,
    aliases: Annotated[list[str], typer.Argument(metavar="ALIAS", help="Aliases it has.", autocompletion=complete_alias)],
) -> None:
    """Take aliases away from an artifact.

    The versions stay. If one of the aliases does not exist, none is taken away.
    """
    invocation = current(ctx)
    artifact = invocation.artifact(name)
    checked = check_aliases(aliases)
    with open_repository(invocation.config) as repository:
        repository.registry.collections.get(artifact)
        existing = repository.registry.aliases.list(artifact)
        for alias in checked:
            if alias not in existing:
                raise NotFound(f"{artifact.name} has no alias {alias!r}: its aliases are {', '.join(sorted(existing)) or 'none'}")
        for alias in checked:
            repository.registry.aliases.remove(artifact, alias)
