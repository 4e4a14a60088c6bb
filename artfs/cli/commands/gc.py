"""`artfs gc`: delete what no version needs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from artfs.cli.context import current
from artfs.cli.durations import format_duration, parse_duration
from artfs.cli.exit_codes import INTEGRITY
from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Column, Size, print_json, print_table, print_warning
from artfs.cli.pinned import follow_pins
from artfs.cli.progress import count_progress
from artfs.cli.repacking import damage_found, parse_percent, repack_form, repack_rows
from artfs.cli.unfinished import describe_unfinished, unfinished_form
from artfs.errors import UserError
from artfs.repository.gc import ABANDONED_S, GRACE_S, collect_garbage
from artfs.repository.gc_report import GcReport, Judgement, PackTotal
from artfs.repository.open import open_repository
from artfs.repository.repack import THRESHOLD, RepackReport, repack

EXAMPLE = "artfs gc --grace 24h --dry-run"


def command(
    ctx: typer.Context,
    *,
    grace: Annotated[
        str, typer.Option("--grace", metavar="DURATION", help="How long bytes stay after nothing needs them: 90s, 15m, 24h, 7d.")
    ] = format_duration(GRACE_S),
    abandoned: Annotated[
        str,
        typer.Option(
            "--abandoned",
            metavar="DURATION",
            help="How long contributions of parallel runs wait for their finish, after the last one.",
        ),
    ] = format_duration(ABANDONED_S),
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done, and do nothing.")] = False,
    each: Annotated[bool, typer.Option("--packs", help="With --dry-run: say of each pack what keeps it.")] = False,
    move: Annotated[
        bool, typer.Option("--repack", help="Before: move what is in use out of packs that are mostly dead, into new ones.")
    ] = False,
    threshold: Annotated[
        str,
        typer.Option("--threshold", metavar="PERCENT", help="With --repack: packs of which less than this is in use are moved."),
    ] = f"{THRESHOLD:.0%}",
    as_json: JsonOption = False,
) -> None:
    """Delete bytes that no version needs any more.

    Safe beside commits in flight. Bytes are doomed first and deleted by a later gc, when the grace period is over. Contributions
    that nobody has finished are given up before, a set as a whole. With --repack, packs that are needed for a small part only are
    emptied first; it exits with 5 when it found versions that are damaged, which stay where they are.
    """
    invocation = current(ctx)
    grace_s, abandoned_s = parse_duration(grace), parse_duration(abandoned)
    if each and not dry_run:
        raise UserError("--packs says what would become of each pack: say --dry-run as well")
    part = parse_percent(threshold)
    moved: RepackReport | None = None
    with open_repository(invocation.config) as repository:
        if move:
            with count_progress("repack", "versions") as on_progress:
                moved = repack(repository, threshold=part, dry_run=dry_run, on_progress=on_progress)
            if not dry_run:
                follow_pins(repository)
        report = collect_garbage(repository, grace_s=grace_s, abandoned_s=abandoned_s, dry_run=dry_run, explain=each)
    if as_json:
        more = {"packs": [_pack_form(judged) for judged in report.packs]} if each else {}
        print_json(_form(report) | more | ({"repack": repack_form(moved)} if moved else {}))
    else:
        _print(report, moved, each=each)
    damage = damage_found(moved) if moved else None
    if damage:
        print_warning(damage)
        raise typer.Exit(INTEGRITY)


def _print(report: GcReport, moved: RepackReport | None, *, each: bool) -> None:
    if each:
        columns = [Column("pack"), Column("size", right=True), Column("what"), Column("why"), Column("until")]
        print_table(columns, [[judged.key, Size(judged.use.pack.size), *_reasons(judged)] for judged in report.packs])
        return
    given_up = "would be given up" if report.dry_run else "given up"
    rows = repack_rows(moved) if moved else []
    rows += [[f"{given_up}: {describe_unfinished(found)}", None, Size(found.size)] for found in report.abandoned]
    rows += [[what, total.packs, Size(total.size)] for what, total in _lines(report)]
    print_table([Column("what"), Column("packs", right=True), Column("size", right=True)], rows)


def _lines(report: GcReport) -> list[tuple[str, PackTotal]]:
    would = "would be " if report.dry_run else ""
    return [
        (f"{would}deleted", report.deleted),
        (f"{would}deleted, left by commits that never ended", report.leftovers),
        (f"{would}doomed, to be deleted after the grace period", report.doomed),
        *((f"kept: {why}", total) for why, total in report.kept.items()),
    ]


def _reasons(judged: Judgement) -> list[Cell]:
    who = [", ".join(needing.first) for needing in (judged.use.versions, judged.use.contributions) if needing.count]
    who += [f"{more} more" for more in [judged.use.versions.count - len(judged.use.versions.first)] if more > 0]
    if judged.holder is not None:
        who.append(f"{judged.holder.holder} since {judged.holder.started_at.isoformat(timespec='seconds')}")
    return [judged.fate, f"{judged.why}: {', '.join(who)}" if who else judged.why, judged.until]


def _form(report: GcReport) -> dict[str, Any]:
    return {
        "dry_run": report.dry_run,
        "deleted": _total_form(report.deleted),
        "leftovers": _total_form(report.leftovers),
        "doomed": _total_form(report.doomed),
        "leases": report.leases,
        "abandoned": [unfinished_form(each) for each in report.abandoned],
        "kept": {why: _total_form(total) for why, total in report.kept.items()},
    }


def _pack_form(judged: Judgement) -> dict[str, Any]:
    use, holder = judged.use, judged.holder
    return {
        "pack": judged.key,
        "size": use.pack.size,
        "entity": use.entity,
        "fate": judged.fate.value,
        "why": judged.why,
        "until": judged.until.isoformat() if judged.until else None,
        "versions": {"count": use.versions.count, "first": list(use.versions.first)},
        "contributions": {"count": use.contributions.count, "first": list(use.contributions.first)},
        "commit": {"holder": holder.holder, "since": holder.started_at.isoformat()} if holder else None,
    }


def _total_form(total: PackTotal) -> dict[str, int]:
    return {"packs": total.packs, "size": total.size}
