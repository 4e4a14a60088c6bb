"""`artfs show`: all that is known of a version."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from artfs.cli.context import current
from artfs.cli.forms import describe_pin, entry_form, shown_version_form, size_of
from artfs.cli.options import JsonOption, VersionArgument
from artfs.cli.output import Cell, Column, Size, print_fields, print_json, print_table
from artfs.cli.progress import count_progress
from artfs.cli.reference_problems import exit_code_of_problems
from artfs.model.digest import format_digest
from artfs.model.entry import Entry, Reference
from artfs.model.records import RunRecord, VersionRecord
from artfs.references.uri import shown_uri
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.repository.verify_references import ReferenceProblem, verify_references

EXAMPLE = "artfs show pets:v0"
#: Finding the references of a version is reading its manifest: of more files than this only for who asks for it.
_LOOKED_THROUGH = 100_000
_COLUMNS = [Column(""), Column("path"), Column("uri"), Column("size", right=True), Column("recorded", style="dim")]


def command(
    ctx: typer.Context,
    version: VersionArgument,
    check: Annotated[
        bool, typer.Option("--check", help="Ask the homes of the references whether they are still what was recorded.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of a version.

    Type, digest, size, aliases, description, metadata, the runs that logged it and the runs that used it, and its references: path,
    URI, size and what identifies their content. With --check it says of each whether it is still that, and exits with 5 when one is
    not.
    """
    invocation = current(ctx)
    name = invocation.version(version)
    with open_repository(invocation.config) as repository:
        record = repository.names.version(name)
        producers, consumers = repository.names.runs(record) or (None, None)
        references = _references(repository, record) if check or record.file_count <= _LOOKED_THROUGH else None
        problems = _check(repository, record) if check else []
    if as_json:
        print_json({**shown_version_form(record, producers, consumers), "references": _forms(references, problems)})
    else:
        fields = _fields(record, producers, consumers)
        if references is None:
            fields.append(("references", "not looked for among so many files: say --check, or list them with artfs ls -lR"))
        print_fields(fields)
        if references:
            columns = [*_COLUMNS, Column("now")] if check else _COLUMNS
            print_table(columns, _rows(references, problems, checked=check))
    if problems:
        raise typer.Exit(exit_code_of_problems(problems))


def _references(repository: Repository, record: VersionRecord) -> list[tuple[Entry, Reference]]:
    entries = repository.manifest(record).iter_entries()
    return [(entry, entry.reference) for entry in entries if entry.reference is not None]


def _check(repository: Repository, record: VersionRecord) -> list[ReferenceProblem]:
    with count_progress("check", "references") as on_progress:
        return verify_references(repository, [record], on_progress=on_progress).problems


def _forms(references: Sequence[tuple[Entry, Reference]] | None, problems: Sequence[ReferenceProblem]) -> Any:
    what = {problem.path: problem.what for problem in problems}
    return None if references is None else [{**entry_form(entry), "problem": what.get(entry.path)} for entry, _ in references]


def _rows(
    references: Sequence[tuple[Entry, Reference]], problems: Sequence[ReferenceProblem], *, checked: bool
) -> Iterator[list[Cell]]:
    what = {problem.path: problem.what for problem in problems}
    for entry, reference in references:
        now: list[Cell] = [what.get(entry.path, "no problem")] if checked else []
        yield ["reference", entry.path, shown_uri(reference.uri), size_of(entry), describe_pin(reference), *now]


def _fields(
    version: VersionRecord, producers: list[RunRecord] | None, consumers: list[RunRecord] | None
) -> list[tuple[str, Cell | list[str]]]:
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
        ("logged by", _describe_all(producers)),
        ("used by", _describe_all(consumers)),
    ]


def _describe_all(runs: list[RunRecord] | None) -> list[str]:
    return ["not known while the registry is not reachable"] if runs is None else [_describe(run) for run in runs]


def _describe(run: RunRecord) -> str:
    names = [run.id, *(text for text in (run.name if run.name != run.id else "", run.job_type) if text), run.state.value]
    return f"{names[0]} ({', '.join(names[1:])})"
