"""`artfs describe`: description and metadata of a version."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from artfs.cli.context import current
from artfs.cli.forms import version_form
from artfs.cli.options import DescriptionOption, JsonOption, MetadataOption, VersionArgument, parse_metadata
from artfs.cli.output import print_json, print_line
from artfs.errors import UserError
from artfs.repository.open import open_repository

EXAMPLE = "artfs describe pets:v0 -d 'cats and dogs' -m licence=CC0"


def command(
    ctx: typer.Context,
    version: VersionArgument,
    *,
    description: DescriptionOption = None,
    metadata: MetadataOption = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="KEY", help="Metadata key to take away; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change the description and the metadata of a version.

    Keys that are not named stay as they are, and so does the version's number: its content is the same. Prints the version.
    """
    invocation = current(ctx)
    name = invocation.version(version)
    changes: dict[str, Any] = {"set_metadata": parse_metadata(metadata), "remove_metadata": unset or []}
    if description is not None:
        changes["description"] = description
    if not any(changes.values()) and description is None:
        raise UserError(f"nothing to change in {version}: say --description, --metadata or --unset")
    with open_repository(invocation.config) as repository:
        record = repository.registry.versions.resolve(name)
        record = repository.registry.versions.update(record.id, **changes)
    if as_json:
        print_json(version_form(record))
    else:
        print_line(record.name)
