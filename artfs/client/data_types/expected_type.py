"""What `dtype` says about a column: which kinds of values it takes. Pure values."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from artfs.client.data_types.column_type import FLOAT, NULL, ColumnType, Kind
from artfs.errors import TypeNotValid, UserError
from artfs.model.counted import counted


@dataclass(frozen=True, slots=True)
class Expected:
    """The kinds of values that a column takes, and the type it has before there are any."""

    kinds: frozenset[Kind]
    start: ColumnType
    name: str


#: In this order, as bool counts as a number and a datetime as a date.
_KINDS: tuple[tuple[tuple[type, ...], frozenset[Kind]], ...] = (
    ((bool,), frozenset({Kind.BOOL})),
    ((numbers.Integral,), frozenset({Kind.INT})),
    ((Decimal,), frozenset({Kind.DECIMAL})),
    ((numbers.Real,), frozenset({Kind.FLOAT, Kind.INT})),
    ((str,), frozenset({Kind.TEXT})),
    ((bytes, bytearray), frozenset({Kind.BYTES})),
    ((datetime,), frozenset({Kind.DATETIME, Kind.INSTANT})),
    ((date,), frozenset({Kind.DATE})),
    ((time,), frozenset({Kind.TIME})),
    ((dict, Mapping), frozenset({Kind.DICT})),
    ((list, tuple, Sequence), frozenset({Kind.LIST})),
)
#: Of these, the column has the type even when all values are None.
_CERTAIN = {Kind.BOOL, Kind.INT, Kind.TEXT, Kind.BYTES, Kind.DATE, Kind.TIME}


def expected_types(dtype: Any, columns: Sequence[str]) -> list[Expected | None]:
    """One for each column, None where any type will do. Raises TypeNotValid, UserError (both ValueErrors)."""
    if not isinstance(dtype, (list, tuple)):
        return [_expected(dtype)] * len(columns)
    if len(dtype) != len(columns):
        raise UserError(
            f"dtype has {counted(len(dtype), 'type')}, but the table has {counted(len(columns), 'column')}: "
            "give one for each, or one for all"
        )
    return [_expected(one) for one in dtype]


def _expected(dtype: Any) -> Expected | None:
    if dtype is None:
        return None
    kind = getattr(dtype, "type", dtype)  # of numpy's dtype("int64") it is numpy.int64
    if isinstance(kind, type):
        for kinds, found in _KINDS:
            # numpy's bool is called so, and is not one of Python's.
            if issubclass(kind, kinds) or (kind.__name__ in {"bool", "bool_"} and bool in kinds):
                return Expected(found, _start(found), kind.__name__)
    raise TypeNotValid(
        f"dtype {dtype!r} is not a type that a column can have: use None, bool, int, float, str, bytes, datetime, date, time, "
        "Decimal, list or dict, or a list of these"
    )


def _start(kinds: frozenset[Kind]) -> ColumnType:
    if Kind.FLOAT in kinds:
        return FLOAT
    (first, *more) = kinds
    return ColumnType(first) if not more and first in _CERTAIN else NULL
