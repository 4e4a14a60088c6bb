"""Progress of long work on standard error, when that is a terminal; else nothing at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from artfs.client.display import format_size
from artfs.model.counted import counted

#: Takes files and bytes done so far.
OnProgress = Callable[[int, int], None]


@contextmanager
def show_progress(what: str, total: int | None) -> Iterator[OnProgress | None]:
    """Within the block, a bar for `what`; `total` is bytes, or None when nobody knows. Yields None where there is no terminal."""
    if not _is_seen():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda _files, size: progress.update(task, completed=size)


@contextmanager
def show_found(what: str) -> Iterator[OnProgress | None]:
    """Within the block, how many objects were found, and their bytes; nobody knows how many there will be."""
    if not _is_seen():
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.fields[found]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, found="nothing yet")
        yield lambda objects, size: progress.update(task, found=f"{counted(objects, 'object')}, {format_size(size)}")


def _is_seen() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
