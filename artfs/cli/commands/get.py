"""`artfs get`: a version, or a path of one, becomes local files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from artfs.cli.context import current
from artfs.cli.entries import find_entry, resolve_place
from artfs.cli.lineage_recording import record_input
from artfs.cli.options import RunOption, TargetArgument
from artfs.cli.output import print_line, print_warning
from artfs.cli.progress import progress
from artfs.model.entry import Kind
from artfs.model.records import VersionRecord
from artfs.repository.materialise import download
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository

EXAMPLE = "artfs get pets:best ./pets"


def command(
    ctx: typer.Context,
    target: TargetArgument,
    destination: Annotated[
        str | None,
        typer.Argument(metavar="DEST", help="Folder to write to, made when it is not there; ./artifacts/NAME:vN by default."),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing-references", help="Leave out references that are gone or not what was recorded, with a warning."
        ),
    ] = False,
    run: RunOption = None,
) -> None:
    """Write a version, or a path of one, to a folder, and print where.

    Files that are right already are not touched, wrong ones replaced, others stay. With a PATH, only what is there or below is
    written, under the path it has in the version; a single file goes to DEST itself unless DEST is a folder. References are fetched
    from where they are, and only while they are what was recorded.
    """
    invocation = current(ctx)
    wanted = invocation.place(target)
    with open_repository(invocation.config) as repository:
        version = resolve_place(repository.names, wanted)
        entry = find_entry(repository.manifest(version), version, wanted.path) if wanted.path else None
        record_input(repository, invocation.config, run, version)
        if entry is not None and entry.kind is not Kind.DIRECTORY and destination is not None:
            where = _get_file(repository, version, wanted.path, destination)
        else:
            where = Path(destination or Path("artifacts", version.name))
            with progress("get", version.file_count if entry is None else None) as on_progress:
                missing = download(
                    repository,
                    version,
                    where,
                    path_prefix=wanted.path or None,
                    on_progress=on_progress,
                    allow_missing_references=allow_missing,
                )
            for reference in missing:
                print_warning(f"{reference.path} was left out: {reference.what}")
    print_line(str(where))


def _get_file(repository: Repository, version: VersionRecord, path: str, destination: str) -> Path:
    """One file, to exactly `destination`, or into it when it is a folder."""
    where = Path(destination)
    if destination.endswith("/") or where.is_dir():
        where /= path.rpartition("/")[2]
    folder = where.absolute().parent
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".artfs-get-", dir=folder) as beside:  # one step from the old file to the whole new one
        download(repository, version, Path(beside), path_prefix=path)
        Path(beside, path).replace(where)
    return where
