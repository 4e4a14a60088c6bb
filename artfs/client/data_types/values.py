"""Values on their way into a table: of any library's types, brought into plain Python ones, with the type they have.

    None, NaT, NA                            None
    bool, int, float, str, bytes             as they are; an int must fit 64 bits
    numpy scalars, arrays, tensors           their plain values; an array becomes a list of lists
    datetime, date, time, Decimal            as they are; a datetime with a time zone in UTC, to the microsecond
    list, tuple                              list
    dict with keys of text                   dict, its keys in order

Pure functions. numpy, pandas and their like are known by what their values can do, so that none of them needs to be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import NoneType
from typing import Any, cast

from artfs.client.data_types.column_type import MOST_DIGITS, NULL, ColumnType, Kind, merge

#: Lists in lists up to so deep; one that holds itself has no end.
_MOST_DEPTH = 32
_SMALLEST, _LARGEST = -(1 << 63), (1 << 63) - 1

_BOOL, _INT, _FLOAT = ColumnType(Kind.BOOL), ColumnType(Kind.INT), ColumnType(Kind.FLOAT)
_TEXT, _BYTES, _DATE = ColumnType(Kind.TEXT), ColumnType(Kind.BYTES), ColumnType(Kind.DATE)


class Refused(Exception):
    """The value at `index` cannot be in a table; `reason` says why and what to do. `table` makes a sentence of it."""

    def __init__(self, reason: str, index: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.index = index


def plain_column(values: Sequence[Any], depth: int = 0) -> tuple[list[Any], ColumnType]:
    """The values in plain types, and the type they have together. Raises Refused for the first that no table can hold."""
    kinds = set(map(type, values)) - {NoneType}
    if not kinds:
        return list(values), NULL
    if len(kinds) == 1 and (simple := _SIMPLE.get(next(iter(kinds)))) and simple[1](values):
        return list(values), simple[0]
    if depth > _MOST_DEPTH:
        raise Refused(f"lists are nested more than {_MOST_DEPTH} deep: store them in a file of their own")
    plain, column = [], NULL
    for index, value in enumerate(values):
        try:
            converted, own = plain_value(value, depth)
        except Refused as refused:
            raise Refused(refused.reason, index) from None
        plain.append(converted)
        column = merge(column, own)
    return plain, column


def plain_value(value: Any, depth: int = 0) -> tuple[Any, ColumnType]:
    """One value in plain types, and its type. Raises Refused if no table can hold it."""
    if value is None:
        return None, NULL
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value, depth)
    if type(value).__name__ == "NAType":
        return None, NULL
    if hasattr(value, "tolist"):  # numpy, pandas, torch, array.array
        return _array(value, depth)
    raise Refused(f"{name_of(value)} cannot be in a table: store it as text, a number, or a file of its own")


def _integer(value: int, depth: int) -> tuple[Any, ColumnType]:  # noqa: ARG001
    if not _SMALLEST <= value <= _LARGEST:
        raise Refused("an int must fit 64 bits: store it as text, or as float")
    return int(value), _INT


def _text(value: str, depth: int) -> tuple[Any, ColumnType]:  # noqa: ARG001
    text = str.__str__(value)
    if not _is_utf8([text]):
        raise Refused("text must be valid Unicode: store it as bytes")
    return text, _TEXT


def _datetime(value: datetime, depth: int) -> tuple[Any, ColumnType]:  # noqa: ARG001
    if value != value:  # noqa: PLR0124  NaT is a datetime, and the only one that differs from itself
        return None, NULL
    if getattr(value, "nanosecond", 0):
        raise Refused("a datetime has nanoseconds, and a table keeps microseconds: round it")
    plain = cast("datetime", cast("Any", value).to_pydatetime()) if hasattr(value, "to_pydatetime") else value
    if plain.tzinfo is None:
        return plain, ColumnType(Kind.DATETIME)
    try:
        return plain.astimezone(UTC), ColumnType(Kind.INSTANT)
    except OverflowError:
        raise Refused("a datetime is before the year 1 or after 9999 in UTC") from None


def _time(value: time, depth: int) -> tuple[Any, ColumnType]:  # noqa: ARG001
    if value.tzinfo is not None:
        raise Refused("a time with a time zone cannot be in a table: store a datetime")
    return value, ColumnType(Kind.TIME)


def _decimal(value: Decimal, depth: int) -> tuple[Any, ColumnType]:  # noqa: ARG001
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise Refused("a Decimal must be a number: use None, or float, for what is none")
    before, after = max(len(digits) + exponent, 0), max(-exponent, 0)
    if before + after > MOST_DIGITS:
        raise Refused(f"a Decimal must have at most {MOST_DIGITS} digits: round it, or store it as text")
    return value, ColumnType(Kind.DECIMAL, digits=(before, after))


def _list(value: Sequence[Any], depth: int) -> tuple[Any, ColumnType]:
    plain, item = plain_column(value, depth + 1)
    return plain, ColumnType(Kind.LIST, item)


def _dict(value: Mapping[Any, Any], depth: int) -> tuple[Any, ColumnType]:
    if not all(isinstance(key, str) for key in value):
        raise Refused("the keys of a dict must be text")
    if depth > _MOST_DEPTH:
        raise Refused(f"dicts are nested more than {_MOST_DEPTH} deep: store them in a file of their own")
    # In the order of the keys: equal dicts make equal bytes, however they were filled.
    parts = {_text(key, 0)[0]: plain_value(value[key], depth + 1) for key in sorted(value)}
    fields = tuple((key, own) for key, (_, own) in parts.items())
    return {key: plain for key, (plain, _) in parts.items()}, ColumnType(Kind.DICT, fields=fields)


def _array(value: Any, depth: int) -> tuple[Any, ColumnType]:
    if getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M"):
        return _plain_or_refused(value, _times(value), depth)
    return _plain_or_refused(value, value.tolist(), depth)


def _plain_or_refused(value: Any, plain: Any, depth: int) -> tuple[Any, ColumnType]:
    if type(plain) is type(value):  # a number that Python has no type for, such as a long double
        raise Refused(f"{name_of(value)} cannot be in a table: convert it to float")
    return plain_value(plain, depth)


def _times(value: Any) -> Any:
    """numpy's datetime64 as datetimes; its own list of nanoseconds would be one of ints."""
    if value.dtype.kind == "m":
        raise Refused("a duration cannot be in a table: store its seconds as float")
    rounded = value.astype("datetime64[us]")
    if bool(((rounded != value) & (value == value)).any()):  # noqa: PLR0124  NaT differs from itself
        raise Refused("a datetime has nanoseconds, and a table keeps microseconds: round it")
    return rounded.tolist()


def name_of(value: Any) -> str:
    """What a message calls a value, by its type."""
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _fit(values: Sequence[Any]) -> bool:
    numbers: list[int] = [value for value in values if value is not None]
    return min(numbers) >= _SMALLEST and max(numbers) <= _LARGEST


def _is_utf8(values: Sequence[str | None]) -> bool:
    try:
        for value in values:
            if value is not None and not value.isascii():
                value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _any(values: Sequence[Any]) -> bool:  # noqa: ARG001
    return True


#: Columns of these types alone are taken as they are, when the check says so: it is a tenth of the time.
_SIMPLE: dict[type, tuple[ColumnType, Callable[[Sequence[Any]], bool]]] = {
    bool: (_BOOL, _any),
    int: (_INT, _fit),
    float: (_FLOAT, _any),
    str: (_TEXT, _is_utf8),
    bytes: (_BYTES, _any),
    date: (_DATE, _any),
}
#: In this order, as a bool is an int and a datetime a date.
_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any, int], tuple[Any, ColumnType]]], ...] = (
    (bool, lambda value, _: (value, _BOOL)),
    (int, _integer),
    (float, lambda value, _: (float(value), _FLOAT)),
    (str, _text),
    ((bytes, bytearray, memoryview), lambda value, _: (bytes(value), _BYTES)),
    (datetime, _datetime),
    (date, lambda value, _: (date(value.year, value.month, value.day), _DATE)),
    (time, _time),
    (Decimal, _decimal),
    ((list, tuple), _list),
    (Mapping, _dict),
)
