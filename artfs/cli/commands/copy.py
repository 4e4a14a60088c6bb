"""`artfs copy`: artifacts with all their versions, from one registry and object store to another."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Annotated, Any

import typer

from artfs.cli.completion import complete_side
from artfs.cli.context import current
from artfs.cli.copy_sides import Side, parse_side, select_artifacts
from artfs.cli.exit_codes import CONFLICT
from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Size, print_fields, print_json, print_warning
from artfs.cli.progress import byte_progress
from artfs.config import Config
from artfs.model.counted import counted
from artfs.model.names import format_version_label
from artfs.model.records import AliasMoves, VersionRecord
from artfs.registry.open import has_registry
from artfs.repository.copy import ArtifactCopy, CopyPlan, CopyReport, copy_planned, plan_copy
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository

EXAMPLE = "artfs copy pets @shared"

_SHOWN = 5


def command(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="What to copy: [[ENTITY/]PROJECT/][NAME][@PLACE]; without NAME (PROJECT/ or .) a whole project.",
            autocompletion=complete_side,
        ),
    ],
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DEST",
            help="Where to, in the same form; without NAME the names stay.",
            autocompletion=complete_side,
        ),
    ],
    *,
    force: Annotated[
        bool,
        typer.Option("--force", help="Move aliases, too, that stand on versions which only the destination has."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say which versions would be copied, and copy nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy artifacts with all versions to another place, project or name.

    Versions keep their numbers, digests, notes and times; aliases, types, runs and lineage come along. References are copied as
    references. Only what the destination lacks is sent, and a copy that was interrupted goes on where it was when it is run again.
    A PLACE is a table [places.NAME] of config.toml with its registry and its objects; without one the settings in force are meant.
    """
    in_force = current(ctx).config
    one, other = parse_side(source), parse_side(destination)
    with _opened(one, other, in_force, dry_run=dry_run) as (from_there, to_here):
        names = select_artifacts(one, other, in_force, from_there.registry.collections)
        plan = plan_copy(from_there, to_here, names)
        if len(names) == 1:
            for error in plan.conflicts.values():
                raise error
        if dry_run:
            report = CopyReport([ArtifactCopy(each, each.missing, AliasMoves({}, {})) for each in plan.artifacts])
        else:
            with byte_progress("copy") as on_progress:
                report = copy_planned(from_there, to_here, plan.artifacts, force=force, on_progress=on_progress)
    if as_json:
        print_json(_form(plan, report, dry_run=dry_run))
    else:
        _print(report, dry_run=dry_run)
    _warn(plan, report)
    if plan.conflicts:
        raise typer.Exit(CONFLICT)


@contextmanager
def _opened(source: Side, destination: Side, in_force: Config, *, dry_run: bool) -> Iterator[tuple[Repository, Repository]]:
    """Both repositories; they may be the same one, opened twice. A dry run makes no registry: an empty one stands in."""
    one, other = source.config(in_force), destination.config(in_force)  # before either is opened: a place may not be there
    with ExitStack() as opened:
        from_there = opened.enter_context(open_repository(one))
        if dry_run and not has_registry(other.registry):
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="artfs-"))
            other = replace(other, registry=f"sqlite:///{folder}/registry.sqlite", objects="memory://")
        yield from_there, opened.enter_context(open_repository(other))


def _print(report: CopyReport, *, dry_run: bool) -> None:
    copies = report.artifacts
    fields: list[tuple[str, Cell | list[str]]] = [
        ("would be copied" if dry_run else "copied", [name for copy in copies for name in _names(copy, copy.copied)]),
        ("there already", sum(len(copy.plan.present) for copy in copies)),
    ]
    if dry_run:
        fields.append(("size of their files", Size(sum(version.size for copy in copies for version in copy.copied))))
    else:
        placed = [(copy, alias, number) for copy in copies for alias, number in copy.aliases.placed.items()]
        fields += [
            ("aliases", [f"{copy.plan.target}:{alias} is {format_version_label(number)}" for copy, alias, number in placed]),
            ("runs", report.lineage.runs),
            ("lineage", report.lineage.edges),
            ("bytes sent", Size(report.bytes_sent)),
            ("bytes found", Size(report.bytes_found)),
        ]
    print_fields(fields)


def _warn(plan: CopyPlan, report: CopyReport) -> None:
    """What a person has to know although all went well."""
    for copy in report.artifacts:
        for name in _names(copy, copy.plan.deleted):
            print_warning(f"{name} was deleted at the destination and is not copied again")
        for alias, number in copy.aliases.left.items():
            print_warning(
                f"the alias {alias} of {copy.plan.target} stays on {format_version_label(number)}, which the source does not have: "
                "say --force to move it"
            )
    if left_out := report.lineage.left_out:
        print_warning(
            f"lineage to {counted(len(left_out), 'version')} that the destination does not have was left out until copied as well: "
            f"{_some(left_out)}"
        )
    if other_runs := report.lineage.other_runs:
        print_warning(f"lineage of runs whose ids belong to other runs at the destination was left out: {_some(other_runs)}")
    for error in plan.conflicts.values():
        print_warning(f"not copied: {error}")


def _names(copy: ArtifactCopy, versions: Sequence[VersionRecord]) -> list[str]:
    """The versions as they are called at the destination."""
    return [f"{copy.plan.target}:{version.label}" for version in versions]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _form(plan: CopyPlan, report: CopyReport, *, dry_run: bool) -> dict[str, Any]:
    def known(value: Any) -> Any:
        return None if dry_run else value

    return {
        "dry_run": dry_run,
        "artifacts": [_artifact_form(copy) for copy in report.artifacts],
        "conflicts": [{"source": str(name), "what": error.message} for name, error in plan.conflicts.items()],
        "runs": known(report.lineage.runs),
        "lineage": known(report.lineage.edges),
        "left_out": known(report.lineage.left_out),
        "other_runs": known(report.lineage.other_runs),
        "bytes_sent": known(report.bytes_sent),
        "bytes_found": known(report.bytes_found),
    }


def _artifact_form(copy: ArtifactCopy) -> dict[str, Any]:
    return {
        "source": str(copy.plan.source),
        "destination": str(copy.plan.target),
        "copied": [version.label for version in copy.copied],
        "present": [version.label for version in copy.plan.present],
        "deleted": [version.label for version in copy.plan.deleted],
        "size": sum(version.size for version in copy.copied),
        "aliases_moved": {alias: format_version_label(number) for alias, number in copy.aliases.placed.items()},
        "aliases_left": {alias: format_version_label(number) for alias, number in copy.aliases.left.items()},
    }
