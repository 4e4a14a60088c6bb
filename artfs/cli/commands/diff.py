"""`artfs diff`: which paths differ between two versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from artfs.cli.completion import complete_version
from artfs.cli.context import current
from artfs.cli.exit_codes import DIFFERENT
from artfs.cli.forms import entry_form, size_of
from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Column, Size, print_json, print_note, print_table
from artfs.model.entry import Entry, Kind
from artfs.model.records import VersionRecord
from artfs.repository.diff import Diff, diff_versions
from artfs.repository.open import open_repository

EXAMPLE = "artfs diff pets:v0 pets:latest"


def command(
    ctx: typer.Context,
    before: Annotated[str, typer.Argument(metavar="NAME:A", help="The version before.", autocompletion=complete_version)],
    after: Annotated[str, typer.Argument(metavar="NAME:B", help="The version after.", autocompletion=complete_version)],
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when there is a difference.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which paths differ between two versions.

    A line for each path: + added, - removed, ~ changed; its size before and after; the path. Times do not count.
    """
    invocation = current(ctx)
    names = invocation.version(before), invocation.version(after)
    with open_repository(invocation.config) as repository:
        one, two = (repository.names.version(name) for name in names)
        difference = diff_versions(repository, one, two)
    if as_json:
        print_json(_form(one, two, difference))
    elif difference.is_empty:
        print_note(f"{one.name} and {two.name} have the same content")
    else:
        columns = [Column("", style="bold"), Column("before", right=True), Column("after", right=True), Column("path")]
        print_table(columns, _rows(difference))
    if exit_code and not difference.is_empty:
        raise typer.Exit(DIFFERENT)


def _rows(difference: Diff) -> Iterator[list[Cell]]:
    lines: list[tuple[str, Entry | None, Entry | None]] = [
        *(("-", entry, None) for entry in difference.removed),
        *(("+", None, entry) for entry in difference.added),
        *(("~", before, after) for before, after in difference.changed),
    ]
    for sign, before, after in sorted(lines, key=lambda line: _path(line[1] or line[2])):
        entry = after or before
        slash = "/" if entry is not None and entry.kind is Kind.DIRECTORY else ""
        yield [sign, _size(before), _size(after), _path(entry) + slash]


def _path(entry: Entry | None) -> str:
    return entry.path if entry is not None else ""


def _size(entry: Entry | None) -> Size | None:
    return None if entry is None else size_of(entry)


def _form(one: VersionRecord, two: VersionRecord, difference: Diff) -> dict[str, Any]:
    return {
        "before": one.qualified_name,
        "after": two.qualified_name,
        "added": [entry_form(entry) for entry in difference.added],
        "removed": [entry_form(entry) for entry in difference.removed],
        "changed": [{"before": entry_form(old), "after": entry_form(new)} for old, new in difference.changed],
    }
