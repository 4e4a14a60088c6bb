"""`artfs umount`: take a mount away, once nothing can be lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artfs.cli.context import current
from artfs.cli.durations import parse_duration
from artfs.mount.control import stop_mount

EXAMPLE = "artfs umount ./mnt"


def command(
    ctx: typer.Context,
    mountpoints: Annotated[list[Path], typer.Argument(metavar="MOUNTPOINT", help="Where artfs is mounted.")],
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long to wait for safety.")] = "1m",
) -> None:
    """Unmount, once acknowledged work is safe.

    A mount that is in use is refused. Staging directories stay as they are, and are there again at the next mount.
    """
    config = current(ctx).config
    timeout_s = parse_duration(timeout)
    for mountpoint in mountpoints:
        stop_mount(mountpoint, timeout_s, config)
