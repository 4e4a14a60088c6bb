"""What the columns of a table must be: their names, and the values that go into one. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from artfs.client.data_types.column_type import NULL, ColumnType, Kind, merge
from artfs.client.data_types.expected_type import Expected
from artfs.client.data_types.values import plain_value
from artfs.errors import NameNotValid, TypeNotValid


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What a table demands of one of its columns. `empty` is the type that it has while it has no values."""

    name: str
    expected: Expected | None
    optional: bool
    allow_mixed: bool
    empty: ColumnType = NULL

    @property
    def start(self) -> ColumnType:
        """The type of the column before it has values."""
        return NULL if self.expected is None else self.expected.start

    def check(self, values: Sequence[Any], kind: ColumnType, first: int) -> None:
        """Raise TypeNotValid if plain values, which together are of `kind`, may not be in the column; `first` is their row."""
        if not self.optional:
            for row, value in enumerate(values, first):
                if value is None:
                    raise TypeNotValid(f"the column {self.name!r} cannot hold row {row}: it has no value, and optional is False")
        if self.expected is None or kind.kind is Kind.NULL or kind.kind in self.expected.kinds:
            return
        for row, value in enumerate(values, first):
            own = plain_value(value)[1]
            if own.kind is not Kind.NULL and own.kind not in self.expected.kinds:
                raise TypeNotValid(
                    f"the column {self.name!r} cannot hold row {row}: it is {own}, and dtype is {self.expected.name}"
                )


def check_columns(columns: Sequence[str | int]) -> list[str]:
    """The names of the columns, as text. Raises NameNotValid, TypeNotValid (both ValueErrors)."""
    if isinstance(columns, (str, bytes, set, frozenset)) or not hasattr(columns, "__iter__"):
        raise TypeNotValid(f"columns must be a list of names, not {type(columns).__name__}")
    names = [_check_name(name) for name in columns]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise NameNotValid(f"two columns have the name {name!r}: give each its own")
        seen.add(name)
    return names


def misfit(name: str, values: Sequence[Any], column: ColumnType, first: int) -> TypeNotValid:
    """The error for the first of plain values that does not go with the `column` and those before it."""
    remedy = "make them one type, or pass allow_mixed_types=True to keep them as JSON text"
    for row, value in enumerate(values, first):
        own = plain_value(value)[1]
        if own.obstacle:
            return TypeNotValid(f"the column {name!r} cannot hold row {row}: it has {own.obstacle}; {remedy}")
        merged = merge(column, own)
        if merged.obstacle and column.kind is own.kind is Kind.DECIMAL:
            return TypeNotValid(f"the column {name!r} cannot hold row {row}: with those before it has {merged.obstacle}; {remedy}")
        if merged.obstacle:
            return TypeNotValid(f"the column {name!r} has {column} before row {row}, and {own} there: {remedy}")
        column = merged
    return TypeNotValid(f"the column {name!r} has values that do not go together: {remedy}")


def same_values(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """True if plain values are equal, not-a-number being equal to itself."""
    return one == other or (len(one) == len(other) and all(map(_same, one, other)))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return same_values(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and same_values(list(one.values()), list(other.values()))
    if isinstance(one, float) and isinstance(other, float) and one != one:  # noqa: PLR0124  only not-a-number differs from itself
        return other != other  # noqa: PLR0124
    return bool(one == other)


def _check_name(name: object) -> str:
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    if hasattr(name, "tolist") and isinstance(number := name.tolist(), int):  # numpy's numbers, as in the columns of a DataFrame
        return str(number)
    if not isinstance(name, str):
        raise TypeNotValid(f"the name of a column must be text, not {type(name).__name__}")
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raw = b""
    if not raw or b"\0" in raw:
        raise NameNotValid(f"{name!r} cannot be the name of a column: use text of at least one character, without NUL")
    return str.__str__(name)
