"""A number of things, as a sentence says it. Pure; any thread."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
