"""What a column of a table holds: a few kinds, and lists and dicts of them.

Pure values. Types of single values are merged into the type of the column; what does not merge is MIXED. Which types of Arrow stand
for them is in `parquet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Kind(StrEnum):
    """The value is how people are told of it."""

    NULL = "None"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "str"
    BYTES = "bytes"
    DATETIME = "datetime without time zone"
    INSTANT = "datetime with time zone"
    DATE = "date"
    TIME = "time"
    DECIMAL = "Decimal"
    LIST = "list"
    DICT = "dict"
    MIXED = "mixed types"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column or of a value in it.

    `item` is the type of all elements of a LIST, `fields` those of a DICT by key, in the order of the keys. `digits` of a DECIMAL
    are how many it needs before and after the point.
    """

    kind: Kind
    item: Self | None = None
    fields: tuple[tuple[str, Self], ...] = ()
    digits: tuple[int, int] = (0, 0)

    @property
    def obstacle(self) -> str:
        """Why no column of Parquet can hold this type, at any depth; empty where one can."""
        if self.kind is Kind.MIXED:
            return "values of mixed types"
        if self.kind is Kind.DICT and not self.fields:
            return "an empty dict"
        if sum(self.digits) > MOST_DIGITS:
            return f"Decimals that together need more than {MOST_DIGITS} digits"
        parts = [part for _, part in self.fields] if self.item is None else [self.item]
        return next((part.obstacle for part in parts if part.obstacle), "")

    def __str__(self) -> str:
        if self.kind is Kind.LIST and self.item is not None and self.item.kind is not Kind.NULL:
            return f"list of {self.item}"
        if self.kind is Kind.DICT:
            keys = [repr(key[:20]) for key, _ in self.fields[:6]]
            return f"dict of {', '.join(keys)}{', …' if len(self.fields) > len(keys) else ''}" if keys else "empty dict"
        return self.kind.value


#: More than any reader of Parquet takes in a Decimal.
MOST_DIGITS = 38
NULL = ColumnType(Kind.NULL)
MIXED = ColumnType(Kind.MIXED)
FLOAT = ColumnType(Kind.FLOAT)
_NUMBERS = {Kind.INT, Kind.FLOAT}


def merge(one: ColumnType, other: ColumnType) -> ColumnType:
    """The type of a column that has values of both. None goes with everything, and int with float makes float."""
    if one == other or other.kind is Kind.NULL:
        return one
    if one.kind is Kind.NULL:
        return other
    if {one.kind, other.kind} == _NUMBERS:
        return FLOAT
    if one.kind is not other.kind:
        return MIXED
    if one.kind is Kind.LIST:
        return ColumnType(Kind.LIST, merge(one.item or NULL, other.item or NULL))
    if one.kind is Kind.DICT:
        return _merge_dicts(one, other)
    if one.kind is Kind.DECIMAL:
        return ColumnType(Kind.DECIMAL, digits=(max(one.digits[0], other.digits[0]), max(one.digits[1], other.digits[1])))
    return MIXED


def _merge_dicts(one: ColumnType, other: ColumnType) -> ColumnType:
    # A missing key is not the same as None: dicts would come back other than they went in.
    if [key for key, _ in one.fields] != [key for key, _ in other.fields]:
        return MIXED
    pairs = zip(one.fields, other.fields, strict=True)
    return ColumnType(Kind.DICT, fields=tuple((key, merge(left, right)) for (key, left), (_, right) in pairs))
