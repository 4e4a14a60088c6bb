"""`artfs show`: all that is known of a version."""

from __future__ import annotations

import json

import typer

from artfs.cli.context import current
from artfs.cli.forms import shown_version_form
from artfs.cli.options import JsonOption, VersionArgument
from artfs.cli.output import Cell, Size, print_fields, print_json
from artfs.model.digest import format_digest
from artfs.model.records import RunRecord, VersionRecord
from artfs.repository.open import open_repository

EXAMPLE = "artfs show pets:v0"


def command(ctx: typer.Context, version: VersionArgument, as_json: JsonOption = False) -> None:
    """Show all that is known of a version.

    Type, digest, size, aliases, description, metadata, the runs that logged it and the runs that used it.
    """
    invocation = current(ctx)
    name = invocation.version(version)
    with open_repository(invocation.config) as repository:
        record = repository.registry.versions.resolve(name)
        producers = repository.registry.lineage.producers(record.id)
        consumers = repository.registry.lineage.consumers(record.id)
    if as_json:
        print_json(shown_version_form(record, producers, consumers))
    else:
        print_fields(_fields(record, producers, consumers))


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
