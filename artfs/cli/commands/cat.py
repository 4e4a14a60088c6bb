"""`artfs cat`: the bytes of files, to stdout."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from artfs.cli.completion import complete_target
from artfs.cli.context import current
from artfs.cli.entries import find_file, resolve_place
from artfs.cli.lineage_recording import record_input
from artfs.cli.options import RunOption
from artfs.errors import UserError
from artfs.repository.open import open_repository

EXAMPLE = "artfs cat pets:best/cat.txt"


def command(
    ctx: typer.Context,
    targets: Annotated[
        list[str],
        typer.Argument(metavar="NAME:VERSION/PATH", help="Files, one after the other.", autocompletion=complete_target),
    ],
    run: RunOption = None,
) -> None:
    """Write files of a version to stdout.

    Every byte is verified before it is written. A symlink is followed within the version.
    """
    invocation = current(ctx)
    wanted = [invocation.place(text) for text in targets]
    for target in wanted:
        if not target.path:
            example = target.alternative or f"{target.version}/README.md"
            raise UserError(f"{target.version} is a version: name a file in it, for example {example}")
    with open_repository(invocation.config) as repository:
        for target in wanted:
            version = resolve_place(repository.names, target)
            entry = find_file(repository.manifest(version), version, target.path)
            record_input(repository, invocation.config, run, version)
            for piece in repository.reader.iter_bytes(entry):
                sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
