"""`artfs put`: local files, folders, stdin and references become a version."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from artfs.cli.completion import complete_source
from artfs.cli.context import current
from artfs.cli.lineage_recording import ensure_run
from artfs.cli.options import (
    DEFAULT_TYPE,
    AliasesOption,
    ArtifactArgument,
    DescriptionOption,
    JsonOption,
    MetadataOption,
    RunOption,
    TypeOption,
    parse_metadata,
)
from artfs.cli.output import print_json, print_line, print_note, print_warning
from artfs.cli.progress import progress
from artfs.cli.sources import Source, in_words_of_put, parse_sources, readable
from artfs.client.notices import hidden_warning, secret_warning
from artfs.content.ingest import Ingest
from artfs.content.walk import walk_directory
from artfs.errors import UserError
from artfs.model.entry import Entry, directory_entry
from artfs.model.names import check_aliases, check_type, normalise_path
from artfs.model.records import CommitOutcome
from artfs.references.references import DEFAULT_MAX_OBJECTS
from artfs.references.uri import has_secret
from artfs.repository.binding import ensure_bound
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.commit_folder import commit_folder
from artfs.repository.leased_ingest import aborted_on_error
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.repository.second_try import again_if_lease_lost

EXAMPLE = "artfs put images s3://pets/train pets --at local --at bucket -a best"

SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE",
        help="Files, folders, - for stdin, and URIs (http, https, s3, gs, file) of what is to be left where it is.",
        autocompletion=complete_source,
        show_default=False,
        default_factory=lambda: None,
    ),
]
PlacesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--at",
        "--path",
        metavar="PATH",
        help="Where the source goes in the artifact, the n-th for the n-th source: a file's path, or the folder of several.",
    ),
]


@dataclass(frozen=True, slots=True)
class Finding:
    """How references are looked for."""

    checksum: bool
    max_objects: int


def command(
    ctx: typer.Context,
    sources: SourcesArgument,
    name: ArtifactArgument,
    *,
    type_name: TypeOption = None,
    aliases: AliasesOption = None,
    description: DescriptionOption = None,
    metadata: MetadataOption = None,
    places: PlacesOption = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Leave local files where they are, too, and record references to them.")
    ] = False,
    no_checksum: Annotated[
        bool, typer.Option("--no-checksum", help="Ask nobody about references: the URI alone says what they are.")
    ] = False,
    max_objects: Annotated[
        int, typer.Option("--max-objects", metavar="N", min=1, help="Refuse a URI that leads to more objects than this.")
    ] = DEFAULT_MAX_OBJECTS,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Log files, folders and references as a version, and print NAME:vN.

    The content of a folder goes to the root of the artifact, or below its --at: hidden files are included, symlinks followed. Of a
    URI, what identifies the content is recorded and the bytes stay where they are. Content that equals a version of the artifact
    makes no new one. The alias latest always moves to what was put.
    """
    if not sources:  # optional to the parser, which would take the one word that was said for the name, and miss a source
        ctx.fail("Missing argument 'NAME': where to put it")
    invocation = current(ctx)
    request = CommitRequest(
        artifact=invocation.artifact(name),
        type=check_type(type_name) if type_name is not None else None,
        aliases=check_aliases(aliases),
        description=description,
        metadata=parse_metadata(metadata),
        run_id=run,
    )
    wanted = parse_sources(sources, places or (), references=reference)
    if no_checksum and not any(source.uri for source in wanted):
        raise UserError("--no-checksum is about references: name a URI, or say --reference")
    with open_repository(invocation.config, to_write=True) as repository:
        if run:
            ensure_run(repository, invocation.config, run)
        outcome = put_sources(repository, wanted, _with_type(repository, request), Finding(not no_checksum, max_objects))
    for source in wanted:
        if has_secret(source.uri):
            print_warning(secret_warning(source.uri))
        if source.hidden:
            print_warning(hidden_warning(source.hidden))
    if as_json:
        from artfs.cli.forms import version_form

        print_json({**version_form(outcome.version), "created": outcome.created})
        return
    if not outcome.created:
        print_note(f"the content is that of {outcome.version.name} already")
    print_line(f"{name}:{outcome.version.label}")


def put_sources(repository: Repository, sources: Sequence[Source], request: CommitRequest, finding: Finding) -> CommitOutcome:
    """Make a version of the sources; once more if the lease was lost."""
    if len(sources) == 1 and sources[0].is_folder and sources[0].place is None:
        return commit_folder(repository, sources[0].path, request, partial(progress, "put"))
    # First those that may fail for reasons that are not here, and cost no reading.
    entries = [entry for source in sources if source.uri for entry in _find(repository, source, finding)]

    ensure_bound(repository)  # before anything is read from stdin
    with ExitStack() as spools:
        # What comes from stdin is spooled once, so that it can be taken in again.
        local = [(source, spools.enter_context(readable(source))) for source in sources if not source.uri]

        def attempt() -> CommitOutcome:
            ingest = begin_ingest(repository, request.artifact.entity)
            with aborted_on_error(ingest):
                taken = [entry for source, path in local for entry in _take_in(ingest, source, path)]
            return commit_entries(repository, ingest, [*entries, *taken], request)

        return again_if_lease_lost(attempt)


def _find(repository: Repository, source: Source, finding: Finding) -> list[Entry]:
    with progress("find") as on_progress, in_words_of_put():
        return repository.references.find(
            source.uri, name=source.place, checksum=finding.checksum, max_objects=finding.max_objects, on_progress=on_progress
        )


def _take_in(ingest: Ingest, source: Source, path: Path) -> list[Entry]:
    if not source.is_folder:
        return [ingest.add_file(path, source.place or normalise_path(path.name))]
    prefix = f"{source.place}/" if source.place else ""
    walk = walk_directory(path)
    found = [file._replace(path=normalise_path(prefix + file.path)) for file in walk.found]
    with progress("put", len(found)) as on_progress:
        files = ingest.add_found(found, on_progress)
    empty = walk.empty_directories if files or walk.empty_directories else ["."] * bool(prefix)
    return [*files, *(directory_entry(normalise_path(prefix + directory)) for directory in empty)]


def _with_type(repository: Repository, request: CommitRequest) -> CommitRequest:
    if request.type is not None or repository.registry.collections.find(request.artifact) is not None:
        return request
    return replace(request, type=DEFAULT_TYPE)
