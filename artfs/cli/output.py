"""What commands print: tables and values for people on a terminal, plain lines when piped, JSON when asked.

On a terminal a list is a table with a heading, with sizes and times as people read them. Piped, it is one line an item, the columns
separated by tabs, sizes in bytes and times in ISO 8601, without a heading: made for `cut`, `sort`, `grep`. rich is imported only
when a terminal is there. NO_COLOR is respected by rich.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
#: What stands in a column where there is no value.
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes: `8.6 kB` on a terminal, `8645` when piped."""

    size: int


Cell = str | int | datetime | Size | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `right` for figures."""

    heading: str
    right: bool = False
    style: str = ""


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


def print_line(text: str = "") -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def print_note(text: str) -> None:
    """Something a person may like to know and a script does not: on stderr, and only on a terminal."""
    if is_terminal(sys.stderr):
        sys.stderr.write(f"artfs: {text}\n")


def print_warning(text: str) -> None:
    """Something that a person has to know although all went well: on stderr, wherever that goes."""
    sys.stderr.write(f"artfs: {text}\n")


def print_json(value: Any) -> None:
    """`value` as JSON on stdout. Everything is text, a number, a list or an object by now."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
    """A list: a table on a terminal, else tab-separated lines."""
    if is_terminal(sys.stdout):
        _print_rich_table(columns, rows)
        return
    for row in rows:
        print_line("\t".join(_plain(cell) for cell in row))


def print_fields(fields: Iterable[tuple[str, Cell | list[str]]]) -> None:
    """Named values, a line each; a list takes a line for each of its values, and none when it is empty."""
    pairs = [(name, value) for name, values in fields for value in (values if isinstance(values, (list, tuple)) else [values])]
    if not is_terminal(sys.stdout):
        for name, value in pairs:
            print_line(f"{name}\t{_plain(value)}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, Text(_readable(value)))
    Console().print(table)


def _spread(name: str, value: Cell | list[str]) -> list[tuple[str, Cell]]:
    return [(name, each) for each in value] if isinstance(value, list) else [(name, value)]


def _print_rich_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.heading, justify="right" if column.right else "left", style=column.style, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_readable(cell)) for cell in row))
    Console().print(table)


def _plain(cell: Cell) -> str:
    if isinstance(cell, Size):
        return str(cell.size)
    if isinstance(cell, datetime):
        return format_time(cell)
    return _one_line(cell)


def _readable(cell: Cell) -> str:
    if isinstance(cell, Size):
        return format_size(cell.size)
    if isinstance(cell, datetime):
        return cell.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return _one_line(cell)


def _one_line(cell: str | int | None) -> str:
    if cell is None or cell == "":
        return NOTHING
    # Text of others reaches the terminal here: control characters could move its cursor or end a line.
    return _CONTROL.sub(" ", str(cell))


def format_size(size: int) -> str:
    from rich.filesize import decimal

    return decimal(size)


def format_time(moment: datetime) -> str:
    """ISO 8601 in UTC: `2024-05-01T12:00:00.000000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


#: Told how far a long operation has come, by two figures that say what they mean where one is made.
OnProgress = Callable[[int, int], None]
