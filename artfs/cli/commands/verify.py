"""`artfs verify`: is all that is stored whole?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from artfs.cli.context import current
from artfs.cli.exit_codes import INTEGRITY
from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Size, print_fields, print_json, print_line
from artfs.cli.progress import byte_progress
from artfs.repository.open import open_repository
from artfs.repository.verify import Problem, VerifyReport, verify_repository

EXAMPLE = "artfs verify --read-data"


def command(
    ctx: typer.Context,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read all bytes again, too, and compare their digests.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that all that is stored is whole.

    One check for each invariant. Says what is damaged and which versions and paths need it, and then exits with 5.
    """
    invocation = current(ctx)
    with open_repository(invocation.config) as repository, byte_progress("verify", shown=read_data) as on_progress:
        report = verify_repository(repository, read_data=read_data, on_progress=on_progress)
    if as_json:
        print_json(_form(report))
    else:
        _print(report)
    if not report.is_sound:
        raise typer.Exit(INTEGRITY)


def _print(report: VerifyReport) -> None:
    for problem in report.problems:
        _print_problem(problem)
    fields: list[tuple[str, Cell | list[str]]] = [
        ("versions", report.versions),
        ("packs", report.packs),
        ("bytes read", Size(report.bytes_read)),
        ("problems", len(report.problems)),
    ]
    print_fields(fields)


def _print_problem(problem: Problem) -> None:
    print_line(str(problem))
    for version in problem.versions:
        print_line(f"    needed by {version}")
    for path in problem.paths:
        print_line(f"    damaged {path}")


def _form(report: VerifyReport) -> dict[str, Any]:
    return {
        "sound": report.is_sound,
        "versions": report.versions,
        "packs": report.packs,
        "bytes_read": report.bytes_read,
        "unknown_objects": report.unknown_objects,
        "problems": [
            {"invariant": problem.invariant, "what": problem.what, "versions": list(problem.versions), "paths": list(problem.paths)}
            for problem in report.problems
        ],
    }
