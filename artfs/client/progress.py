"""Progress of long work on standard error, when that is a terminal; else nothing at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

#: Takes files and bytes done so far.
OnProgress = Callable[[int, int], None]


@contextmanager
def show_progress(what: str, total: int | None) -> Iterator[OnProgress | None]:
    """Within the block, a bar for `what`; `total` is bytes, or None when nobody knows. Yields None where there is no terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda _files, size: progress.update(task, completed=size)
