"""`artfs verify`: is all that is stored whole, and is what is referred to still what was recorded?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from artfs.cli.completion import complete_version
from artfs.cli.context import Invocation, current
from artfs.cli.exit_codes import INTEGRITY
from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Size, print_fields, print_json, print_line, print_warning
from artfs.cli.progress import byte_progress, count_progress
from artfs.cli.reference_problems import exit_code_of_problems, problem_form
from artfs.errors import UserError
from artfs.model.entry import pack_key
from artfs.repository.binding import ensure_bound
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.repository.verify import Problem, VerifyReport, verify_repository
from artfs.repository.verify_references import ReferencesReport, verify_references

EXAMPLE = "artfs verify --read-data"

_WHAT_TO_DO = (
    "what to do: put the objects named above back under their keys, from a backup or from older versions that the bucket keeps; or,"
    " where there are none, delete the versions that need them ('artfs rm') and put their files again, which stores them anew"
)


def command(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME:VERSION",
            help="With --references: the versions to look at, latest where none is given; all by default.",
            autocompletion=complete_version,
        ),
    ] = None,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read all bytes again, too, and compare their digests.")] = False,
    references: Annotated[
        bool, typer.Option("--references", help="Ask the homes of references whether they are still what was recorded, instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that all that is stored is whole.

    One check for each invariant. Says what is damaged and which versions and paths need it, and then exits with 5; new versions
    use nothing of a pack that was found damaged, until it is found whole again. With --references it asks the homes of references
    instead, and exits with 5 when one is gone or not what was recorded.
    """
    invocation = current(ctx)
    if references and read_data:
        raise UserError("--read-data is about what is stored, --references about what is elsewhere: run one after the other")
    if names and not references:
        raise UserError(
            f"{names[0]} names a version, but all that is stored is checked together: leave it out, or say --references"
        )
    with open_repository(invocation.config) as repository:
        if references:
            _verify_references(invocation, repository, names or (), as_json=as_json)
        else:
            _verify_stored(repository, read_data=read_data, as_json=as_json)


def _verify_stored(repository: Repository, *, read_data: bool, as_json: bool) -> None:
    # In the store of another registry all packs would be lost: the advice would be to delete what is whole elsewhere.
    ensure_bound(repository, dry_run=True)
    with byte_progress("verify", shown=read_data) as on_progress:
        report = verify_repository(repository, read_data=read_data, on_progress=on_progress)
    if as_json:
        print_json(_form(report))
    else:
        _print(report)
    if not report.is_sound:
        raise typer.Exit(INTEGRITY)


def _verify_references(invocation: Invocation, repository: Repository, names: Sequence[str], *, as_json: bool) -> None:
    versions = [repository.registry.versions.resolve(invocation.version(name)) for name in names] or None
    with count_progress("verify", "references") as on_progress:
        report = verify_references(repository, versions, on_progress=on_progress)
    if as_json:
        problems = [problem_form(problem) for problem in report.problems]
        print_json({"sound": not problems, "checked": report.checked, "unknown": report.unknown, "problems": problems})
    else:
        _print_references(report)
    if report.problems:
        raise typer.Exit(exit_code_of_problems(report.problems))


def _print_references(report: ReferencesReport) -> None:
    for problem in report.problems:
        print_line(f"{problem.path}: {problem.what}")
        for version in problem.versions:
            print_line(f"    needed by {version}")
    fields: list[tuple[str, Cell | list[str]]] = [
        ("references", report.checked),
        ("of schemes that cannot be asked", report.unknown),
        ("problems", len(report.problems)),
    ]
    print_fields(fields)


def _print(report: VerifyReport) -> None:
    for problem in report.problems:
        _print_problem(problem)
    fields: list[tuple[str, Cell | list[str]]] = [
        ("versions", report.versions),
        ("packs", report.packs),
        ("bytes read", Size(report.bytes_read)),
        ("problems", len(report.problems)),
    ]
    if report.restored_packs:
        fields.append(("packs that are whole again", report.restored_packs))
    print_fields(fields)
    if any(problem.packs for problem in report.problems):
        print_warning(_WHAT_TO_DO)


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
        "restored_packs": report.restored_packs,
        "problems": [
            {
                "invariant": problem.invariant,
                "what": problem.what,
                "versions": list(problem.versions),
                "paths": list(problem.paths),
                "packs": [pack_key(pack) for pack in problem.packs],
            }
            for problem in report.problems
        ],
    }
