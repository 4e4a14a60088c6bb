"""What `artfs gc --repack` is told and says: the threshold, and lines and JSON about what was moved."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from artfs.cli.output import Cell, Size
from artfs.errors import UserError
from artfs.model.counted import counted
from artfs.repository.repack import RepackReport

_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%?")


def parse_percent(text: str) -> float:
    """The part that `text` means, `50%` or `50`: above 0, up to 1."""
    match = _PERCENT.fullmatch(text.strip())
    part = float(match[1]) / 100 if match else 0.0
    if not 0 < part <= 1:
        raise UserError(f"{text!r} is not a part of a pack: write for example 50%")
    return part


def repack_rows(report: RepackReport) -> list[list[Cell]]:
    """Rows of what, packs and size."""
    versions = counted(report.versions if report.dry_run else report.moved, "version")
    if report.dry_run:
        return [
            [f"would be repacked, moving {versions}", report.packs, Size(report.size)],
            ["of which is in use", None, Size(report.live)],
        ]
    rows: list[list[Cell]] = [
        [f"repacked, moving {versions}", report.packs, Size(report.size)],
        ["written for that", None, Size(report.written)],
    ]
    if report.left:
        rows.append([f"left for the next repack: {counted(report.left, 'version')}", None, None])
    return rows


def damage_found(report: RepackReport) -> str | None:
    """What to tell of versions that were left as they are damaged; None where there are none."""
    if not report.damaged:
        return None
    first = report.damaged[0]
    more = len(report.damaged) - 1
    who = (
        f"{first.version} and {counted(more, 'other version')} stay where they are, as they are"
        if more
        else f"{first.version} stays where it is, as it is"
    )
    return f"{who} damaged ({first.what}): run `artfs verify --read-data`, which says what is damaged and what to do"


def repack_form(report: RepackReport) -> dict[str, Any]:
    return {name: value for name, value in asdict(report).items() if name != "dry_run"}
