"""`artfs put`: a local file, folder or stdin becomes a version."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Annotated, cast

import typer

from artfs.cli.context import current
from artfs.cli.lineage_recording import ensure_run
from artfs.cli.options import (
    DEFAULT_TYPE,
    AliasesOption,
    ArtifactArgument,
    DescriptionOption,
    MetadataOption,
    RunOption,
    TypeOption,
    parse_metadata,
)
from artfs.cli.output import print_line, print_note
from artfs.cli.progress import progress
from artfs.errors import SourceNotReadable, UserError
from artfs.model.names import check_aliases, check_type, normalise_path
from artfs.model.records import CommitOutcome
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.commit_folder import commit_folder
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository

EXAMPLE = "artfs put images pets --type dataset -a best -m source=home"
STDIN = "-"


def command(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="PATH", help="A file, a folder, or - for stdin.")],
    name: ArtifactArgument,
    *,
    type_name: TypeOption = None,
    aliases: AliasesOption = None,
    description: DescriptionOption = None,
    metadata: MetadataOption = None,
    path: Annotated[
        str | None,
        typer.Option("--path", metavar="PATH", help="Where a file, or stdin, goes in the artifact; a file's own name by default."),
    ] = None,
    run: RunOption = None,
) -> None:
    """Log a file or a folder as a version, and print NAME:vN.

    The content of a folder goes to the root of the artifact: hidden files are included, symlinks followed. Content that equals a
    version of the artifact makes no new one. The alias latest always moves to what was put.
    """
    invocation = current(ctx)
    artifact = invocation.artifact(name)
    if path is not None:
        path = normalise_path(path)
    request = CommitRequest(
        artifact=artifact,
        type=check_type(type_name) if type_name is not None else None,
        aliases=check_aliases(aliases),
        description=description,
        metadata=parse_metadata(metadata),
        run_id=run,
    )
    with _readable_source(source, path) as root, open_repository(invocation.config) as repository:
        if run:
            ensure_run(repository, invocation.config, run)
        outcome = _put(repository, root, path, request)
    if not outcome.created:
        print_note(f"the content is that of {outcome.version.name} already")
    print_line(f"{name}:{outcome.version.label}")


@contextmanager
def _readable_source(source: str, path: str | None) -> Iterator[Path]:
    """The local path to read; stdin is spooled into a file of the user's, as it can be read only once."""
    if source != STDIN:
        yield _checked_source(Path(source), path)
        return
    if path is None:
        raise UserError("content from stdin has no name: say --path FILE")
    with tempfile.NamedTemporaryFile(prefix="artfs-stdin-") as spool:
        # Not read(): it goes on reading without a look at signals until it has all that was asked for, and Ctrl-C may be lost.
        stdin = cast("BufferedReader", sys.stdin.buffer)
        while piece := stdin.read1(1 << 20):
            spool.write(piece)
        spool.flush()
        yield Path(spool.name)


def _checked_source(source: Path, path: str | None) -> Path:
    if not source.exists():
        raise SourceNotReadable(f"{source} does not exist")
    if source.is_dir():
        if path is not None:
            raise UserError(f"{source} is a folder: --path names the place of a single file")
    elif not source.is_file():
        raise SourceNotReadable(f"{source} is neither a file nor a folder")
    return source


def _put(repository: Repository, root: Path, path: str | None, request: CommitRequest) -> CommitOutcome:
    request = _with_type(repository, request)
    if root.is_dir():
        return commit_folder(repository, root, request, partial(progress, "put"))
    ingest = begin_ingest(repository, request.artifact.entity)
    try:
        entry = ingest.add_file(root, path or normalise_path(root.name))
    except BaseException:
        ingest.abort()
        raise
    return commit_entries(repository, ingest, [entry], request)


def _with_type(repository: Repository, request: CommitRequest) -> CommitRequest:
    if request.type is not None or repository.registry.collections.find(request.artifact) is not None:
        return request
    return replace(request, type=DEFAULT_TYPE)
