"""`artfs show`: all that is known of a version."""

from __future__ import annotations

import json

import typer

from artfs.cli.context import current
from artfs.cli.forms import describe_pin, entry_form, shown_version_form, size_of
from artfs.cli.options import JsonOption, VersionArgument
from artfs.cli.output import Cell, Column, Size, print_fields, print_json, print_table
from artfs.model.digest import format_digest
from artfs.model.entry import Entry, Kind
from artfs.model.records import RunRecord, VersionRecord
from artfs.references.uri import shown_uri
from artfs.repository.open import open_repository

EXAMPLE = "artfs show pets:v0"
_COLUMNS = [Column(""), Column("path"), Column("uri"), Column("size", right=True), Column("recorded", style="dim")]


def command(ctx: typer.Context, version: VersionArgument, as_json: JsonOption = False) -> None:
    """Show all that is known of a version.

    Type, digest, size, aliases, description, metadata, the runs that logged it and the runs that used it, and its references: path,
    URI, size and what identifies their content.
    """
    invocation = current(ctx)
    name = invocation.version(version)
    with open_repository(invocation.config) as repository:
        record = repository.registry.versions.resolve(name)
        producers = repository.registry.lineage.producers(record.id)
        consumers = repository.registry.lineage.consumers(record.id)
        references = [entry for entry in repository.manifest(record).iter_entries() if entry.kind is Kind.REFERENCE]
    if as_json:
        print_json({**shown_version_form(record, producers, consumers), "references": [entry_form(entry) for entry in references]})
        return
    print_fields(_fields(record, producers, consumers))
    if references:
        print_table(_COLUMNS, (_row(entry) for entry in references))


def _row(entry: Entry) -> list[Cell]:
    uri, pin = (shown_uri(entry.reference.uri), describe_pin(entry.reference)) if entry.reference else (None, None)
    return ["reference", entry.path, uri, size_of(entry), pin]


def _fields(version: VersionRecord, producers: list[RunRecord], consumers: list[RunRecord]) -> list[tuple[str, Cell | list[str]]]:
    return [
        ("name", version.qualified_name),
        ("type", version.type),
        ("digest", format_digest(version.digest)),
        ("size", Size(version.size)),
        ("files", version.file_count),
        ("aliases", ", ".join(version.aliases)),
        ("created", version.created_at),
        ("description", version.description),
        ("metadata", [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in sorted(version.metadata.items())]),
        ("logged by", [_describe(run) for run in producers]),
        ("used by", [_describe(run) for run in consumers]),
    ]


def _describe(run: RunRecord) -> str:
    names = [run.id, *(text for text in (run.name if run.name != run.id else "", run.job_type) if text), run.state.value]
    return f"{names[0]} ({', '.join(names[1:])})"
