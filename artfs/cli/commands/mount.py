"""`artfs mount`: artifacts as directories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artfs.chunks.disk_cache.open import open_disk_cache
from artfs.cli.completion import complete_version
from artfs.cli.context import current
from artfs.cli.options import RunOption
from artfs.cli.output import print_line, print_warning
from artfs.config import Config
from artfs.errors import ArtfsError
from artfs.mount.control import start_mount

EXAMPLE = "artfs mount ./mnt pets:latest"


def command(
    ctx: typer.Context,
    mountpoint: Annotated[Path, typer.Argument(metavar="MOUNTPOINT", help="An existing, empty folder.")],
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="What to see there: ENTITY/PROJECT, an artifact NAME, or a pinned NAME:VERSION; the current project by default.",
            autocompletion=complete_version,
        ),
    ] = None,
    *,
    foreground: Annotated[bool, typer.Option("--foreground", "-f", help="Stay in the foreground until unmounted.")] = False,
    allow_other: Annotated[bool, typer.Option("--allow-other", help="Let other users see the mount.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="No staging, no aliases: versions only.")] = False,
    warm: Annotated[
        bool, typer.Option("--warm", help="Fetch all of the version that is mounted to the cache, while it can be used.")
    ] = False,
    run: RunOption = None,
) -> None:
    """Mount artifacts as directories.

    Returns when the mount answers, and prints the mount point. What a run reads there is recorded as its inputs.
    """
    invocation = current(ctx)
    _warn_of_cache(invocation.config)
    info = start_mount(
        invocation.config,
        mountpoint,
        target,
        foreground=foreground,
        allow_other=allow_other,
        read_only=read_only,
        run_id=run,
        warm=warm,
    )
    if not foreground:
        print_line(str(info.mountpoint))


def _warn_of_cache(config: Config) -> None:
    """What a mount says of its cache is in its log, where nobody looks who does not know that something is wrong."""
    if config.objects.startswith("file://"):
        return
    cache = open_disk_cache(config.chunk_cache_dir, config.cache_limit)
    if cache is not None:
        try:
            cache.ensure_usable()
        except ArtfsError as error:
            print_warning(str(error))
