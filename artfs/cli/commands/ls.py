"""`artfs ls`: artifacts of the project, or entries of a version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer

from artfs.cli.completion import complete_target
from artfs.cli.context import Invocation, current
from artfs.cli.entries import find_entry, resolve_place
from artfs.cli.forms import collection_form, describe_pin, entry_form, modified_at, shown_digest, size_of
from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Column, Size, print_json, print_note, print_table
from artfs.cli.place import Place
from artfs.content.manifests import Manifest
from artfs.model.digest import format_digest
from artfs.model.entry import Entry, Kind
from artfs.model.records import VersionRecord
from artfs.references.uri import shown_uri
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository

EXAMPLE = "artfs ls pets:best/images"


@dataclass(frozen=True, slots=True)
class Form:
    """How entries are listed."""

    full_path: bool
    long: bool


def command(
    ctx: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME[:VERSION[/PATH]]",
            help="A version (latest when none is given), or a path in one.",
            autocompletion=complete_target,
        ),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="List all that is below, by full path.")] = False,
    long: Annotated[
        bool, typer.Option("--long", "-l", help="Show the digest of each file, and what identifies the content of a reference.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the artifacts of the project, or the files of a version.

    Artifacts: name, type, number of versions, size of the newest. Files: size, time of change, name; of references and symlinks,
    where they lead to.
    """
    invocation = current(ctx)
    wanted = None if target is None else invocation.place(target)
    with open_repository(invocation.config) as repository:
        if wanted is None:
            _list_artifacts(invocation, repository, as_json=as_json)
        else:
            _list_entries(repository, wanted, Form(full_path=recursive, long=long), as_json=as_json)


def _list_artifacts(invocation: Invocation, repository: Repository, *, as_json: bool) -> None:
    entity, project = invocation.config.entity, invocation.config.project
    collections = repository.names.collections(entity, project)
    newest = [repository.names.newest(collection.artifact) for collection in collections]
    if as_json:
        print_json([collection_form(*pair) for pair in zip(collections, newest, strict=True)])
        return
    columns = [Column("artifact", style="bold"), Column("type"), Column("versions", right=True), Column("size", right=True)]
    rows: Iterable[list[Cell]] = (
        [collection.artifact.name, collection.type, collection.version_count, Size(version.size) if version else None]
        for collection, version in zip(collections, newest, strict=True)
    )
    if collections:
        print_table(columns, rows)
        return
    others = [f"{entity}/{project}" for entity, project in repository.registry.collections.projects()]
    elsewhere = f"; there are some in {', '.join(others[:5])}" if others else ""
    print_note(f"no artifacts in {entity}/{project}{elsewhere}")


def _list_entries(repository: Repository, wanted: Place, form: Form, *, as_json: bool) -> None:
    version = resolve_place(repository.names, wanted)
    entries = _entries(repository.manifest(version), version, wanted.path, recursive=form.full_path)
    if as_json:
        print_json([entry_form(entry) for entry in entries])
        return
    columns = [
        Column("size", right=True),
        Column("changed", style="dim"),
        *([Column("content")] if form.long else []),
        Column("name"),
    ]
    print_table(columns, (_row(entry, form) for entry in entries))


def _entries(manifest: Manifest, version: VersionRecord, path: str, *, recursive: bool) -> Iterable[Entry]:
    if path:
        entry = find_entry(manifest, version, path)
        if entry.kind is not Kind.DIRECTORY:
            return [entry]
    if recursive:
        return (entry for entry in manifest.iter_entries(path) if entry.path != path)
    return manifest.list(path)


def _row(entry: Entry, form: Form) -> list[Cell]:
    name = entry.path if form.full_path else entry.name
    content: list[Cell] = [_content(entry)] if form.long else []
    if entry.kind is Kind.DIRECTORY:
        return [None, None, *content, name + "/"]
    if entry.kind is Kind.SYMLINK:
        name = f"{name} -> {entry.target}"
    elif entry.reference is not None:
        name = f"{name} -> {shown_uri(entry.reference.uri)}"
    return [size_of(entry), modified_at(entry), *content, name]


def _content(entry: Entry) -> str | None:
    if entry.kind is Kind.FILE:
        return shown_digest(format_digest(entry.digest))
    return None if entry.reference is None else describe_pin(entry.reference)
