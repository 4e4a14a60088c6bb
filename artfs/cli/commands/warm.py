"""`artfs warm`: what will be read is fetched to this machine ahead."""

from __future__ import annotations

from typing import Annotated

import typer

from artfs.cli.completion import complete_target
from artfs.cli.context import current
from artfs.cli.entries import resolve_place
from artfs.cli.options import JsonOption
from artfs.cli.output import format_size, print_json, print_line, print_note
from artfs.cli.pinned import follow_pins
from artfs.cli.progress import byte_progress
from artfs.model.counted import counted
from artfs.repository.open import open_repository
from artfs.repository.warm import warm_version

EXAMPLE = "artfs warm pets:latest"


def command(
    ctx: typer.Context,
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME:VERSION/PATH",
            help="Versions (latest when none is given), or paths in them.",
            autocompletion=complete_target,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Fetch versions of a remote store, or paths of them, to the cache on this machine.

    What is there already is not fetched again. All of it is then read without the store, until the cache needs the room for what
    is read later: `artfs cache pin` keeps it whatever is read. References stay where they are.
    """
    invocation = current(ctx)
    forms = []
    with open_repository(invocation.config) as repository:
        for place in [invocation.place(target) for target in targets]:
            version = resolve_place(repository.names, place)
            with byte_progress(f"warm {version.name}") as on_progress:
                warmed = warm_version(repository, version, place.path, on_progress)
            forms.append(
                {
                    "version": version.qualified_name,
                    "path": place.path,
                    "files": warmed.files,
                    "bytes": warmed.size,
                    "bytes_before": warmed.size_before,
                    "references": warmed.references,
                }
            )
            if not as_json:
                print_line(f"{version.qualified_name}/{place.path}" if place.path else version.qualified_name)
                already = f", {format_size(warmed.size_before)} of it already before" if warmed.size_before else ""
                print_note(f"{counted(warmed.files, 'file')}, {format_size(warmed.size)} on this machine{already}")
                if warmed.references:
                    print_note(f"{counted(warmed.references, 'reference')} left out: artfs keeps nothing of references on disk")
        follow_pins(repository)
    if as_json:
        print_json(forms)
