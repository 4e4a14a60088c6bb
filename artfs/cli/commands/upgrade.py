"""`artfs upgrade`: bring the registry to the schema of this artfs."""

from __future__ import annotations

from typing import Annotated

import typer

from artfs.cli.context import current
from artfs.cli.options import JsonOption
from artfs.cli.output import print_json, print_line, print_note
from artfs.registry.migrations import pending_steps
from artfs.registry.open import upgrade_registry

EXAMPLE = "artfs upgrade --dry-run"


def command(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done, and do nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the registry to the schema of this artfs.

    All or nothing, and safe beside another upgrade: one does it, the other finds nothing left to do. Afterwards an older artfs
    refuses the registry. Content is not touched.
    """

    def tell(number: int, what: str) -> None:
        print_note(f"schema {number}: {what}")

    name, upgrade = upgrade_registry(current(ctx).config.registry, dry_run=dry_run, on_step=tell)
    before, after = upgrade.before, upgrade.after
    steps = pending_steps(before, after)
    if as_json:
        shown = [{"schema": number, "what": what} for number, what in steps]
        print_json({"registry": name, "before": before, "after": after, "dry_run": dry_run, "steps": shown})
        return
    would = "would be " if dry_run else ""
    if before is None:
        print_line(f"{name}\t{would}made, of schema {after}")
    elif before == after:
        print_line(f"{name}\tnothing was left to do: it is of schema {after}")
    else:
        print_line(f"{name}\t{would}upgraded from schema {before} to {after}")
