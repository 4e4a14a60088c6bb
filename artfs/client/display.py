"""How an artifact shows itself in a notebook and in a terminal. Formats what it is given; asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from artfs.model.counted import counted

#: A notebook shows so many files; a table of a million rows would stop the browser.
SHOWN_FILES = 50


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to show of an artifact. `status` says where it is on its way when it has no version."""

    name: str
    type: str
    status: str
    aliases: Sequence[str]
    description: str | None
    file_count: int
    size: int


def format_size(size: int) -> str:
    """`size` bytes for people: `1.5 MiB`."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{size} {'byte' if size == 1 else unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def format_line(look: Look) -> str:
    """One line, for `repr`."""
    facts = [look.status] if look.status else []
    if look.aliases:
        facts.append(f"aliases {', '.join(look.aliases)}")
    facts += [counted(look.file_count, "file"), format_size(look.size)]
    return f"<Artifact {look.name} ({look.type}): {'; '.join(facts)}>"


class ShownFile(NamedTuple):
    """A file as it is to be shown: `size` is None where nobody knows it, `uri` is that of a reference."""

    path: str
    size: int | None
    uri: str = ""


def format_html(look: Look, files: Iterable[ShownFile]) -> str:
    """A small table, for a notebook. No more than SHOWN_FILES are taken from `files`."""
    shown = [file for file, _ in zip(files, range(SHOWN_FILES), strict=False)]
    rows = [_row(file) for file in shown]
    if look.file_count > len(shown):
        rows.append(f"<tr><td colspan='2'>… and {look.file_count - len(shown)} more</td></tr>")
    aliases = " ".join(f"<code>{escape(alias)}</code>" for alias in look.aliases)
    parts = [
        f"<strong>{escape(look.name)}</strong> <em>{escape(look.type)}</em> {aliases}",
        f"<div>{escape(look.description)}</div>" if look.description else "",
        f"<div>{escape(look.status)}</div>" if look.status else "",
        f"<div>{counted(look.file_count, 'file')}, {format_size(look.size)}</div>",
        f"<table><thead><tr><th>path</th><th>size</th></tr></thead><tbody>{''.join(rows)}</tbody></table>" if rows else "",
    ]
    return f"<div>{''.join(parts)}</div>"


def _row(file: ShownFile) -> str:
    home = f" → <small>{escape(file.uri)}</small>" if file.uri else ""
    size = "unknown" if file.size is None else format_size(file.size)
    return f"<tr><td>{escape(file.path)}{home}</td><td style='text-align:right'>{size}</td></tr>"
