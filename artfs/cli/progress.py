"""Progress of long commands: a bar on stderr, only when that is a terminal.

The callback may be called from any thread, as often as the caller likes: rich redraws ten times a second at most.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from artfs.cli.output import OnProgress, format_size, is_terminal


@contextmanager
def progress(what: str, total_files: int | None = None) -> Iterator[OnProgress | None]:
    """Show how far `what` has come while the block runs; gives None when nobody would see it."""
    if not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total_files, done="")

        def advance(files: int, size: int) -> None:
            bar.update(task, completed=files, done=format_size(size))

        yield advance


@contextmanager
def count_progress(what: str, things: str) -> Iterator[OnProgress | None]:
    """As `progress`, for a callback that is told the number of `things` done and of those to do."""
    if not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(things), TimeElapsedColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


@contextmanager
def byte_progress(what: str, *, shown: bool = True) -> Iterator[OnProgress | None]:
    """As `progress`, for a callback that is told the bytes done and the bytes to do."""
    if not shown or not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance
