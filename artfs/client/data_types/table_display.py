"""How a table shows itself in a notebook and in a terminal: a few rows and columns, each cell cut short. Asks nobody."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import Any

from artfs.model.counted import counted

#: A notebook shows so many rows and columns; a table of a million would stop the browser.
SHOWN_ROWS = 20
SHOWN_COLUMNS = 20
_NAMED_COLUMNS = 8
_CELL = reprlib.Repr()
_CELL.maxstring = _CELL.maxother = _CELL.maxlong = 80
_CELL.maxlevel = 3


def format_columns(columns: Sequence[str]) -> str:
    """The names of the columns, for a sentence."""
    named = [_cut(column) for column in columns[:_NAMED_COLUMNS]]
    return ", ".join(named) + (", …" if len(columns) > len(named) else "")


def format_table_line(kind: str, columns: Sequence[str], row_count: int) -> str:
    """One line, for `repr`."""
    return f"<{kind}: {counted(row_count, 'row')}; {counted(len(columns), 'column')}: {format_columns(columns)}>"


def format_table_html(columns: Sequence[str], rows: Iterable[Sequence[Any]], row_count: int, notes: Sequence[str] = ()) -> str:
    """The first rows and columns. `notes` are lines above them."""
    shown = columns[:SHOWN_COLUMNS]
    hidden = len(columns) - len(shown)
    head = "".join(f"<th>{escape(_cut(column))}</th>" for column in shown) + ("<th>…</th>" if hidden else "")
    body = "".join(_row(row, hidden) for row in islice(rows, SHOWN_ROWS))
    more = f"<div>… and {counted(row_count - SHOWN_ROWS, 'more row')}</div>" if row_count > SHOWN_ROWS else ""
    said = [*notes, f"{counted(row_count, 'row')}, {counted(len(columns), 'column')}"]
    lines = "".join(f"<div>{escape(line)}</div>" for line in said)
    return f"<div>{lines}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}</div>"


def _row(row: Sequence[Any], hidden: int) -> str:
    cells = "".join(f"<td>{escape(_cell(value))}</td>" for value in row[:SHOWN_COLUMNS])
    return f"<tr>{cells}{'<td>…</td>' if hidden else ''}</tr>"


def _cell(value: Any) -> str:
    return _cut(value, 80) if isinstance(value, str) else _CELL.repr(value)


def _cut(text: str, length: int = 40) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
