"""Which types of Arrow, and so of Parquet, stand for those of columns. `arrow` is the module pyarrow, which is optional."""

from __future__ import annotations

from typing import Any

from artfs.client.data_types.column_type import MIXED, NULL, ColumnType, Kind

_NAMES: dict[Kind, str] = {
    Kind.NULL: "null",
    Kind.BOOL: "bool_",
    Kind.INT: "int64",
    Kind.FLOAT: "float64",
    Kind.TEXT: "large_string",
    Kind.BYTES: "large_binary",
    Kind.DATE: "date32",
}


def arrow_type(arrow: Any, column: ColumnType) -> Any:
    """The type of Arrow for a column; large ones, as text of more than 2 GiB must fit, which Parquet knows no difference for."""
    if column.kind is Kind.LIST:
        return arrow.large_list(arrow_type(arrow, column.item or NULL))
    if column.kind is Kind.DICT:
        return arrow.struct([(key, arrow_type(arrow, field)) for key, field in column.fields])
    if column.kind is Kind.DECIMAL:
        return arrow.decimal128(sum(column.digits), column.digits[1])
    if column.kind is Kind.TIME:
        return arrow.time64("us")
    if column.kind in {Kind.DATETIME, Kind.INSTANT}:
        return arrow.timestamp("us", "UTC" if column.kind is Kind.INSTANT else None)
    return getattr(arrow, _NAMES[column.kind])()


def column_type_of(arrow: Any, found: Any) -> ColumnType:
    """The type that stands for one of Arrow; MIXED for what a table has no type for."""
    types = arrow.types
    if types.is_dictionary(found):
        return column_type_of(arrow, found.value_type)
    if types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found):
        return ColumnType(Kind.LIST, column_type_of(arrow, found.value_type))
    if types.is_struct(found):
        return ColumnType(Kind.DICT, fields=_fields(arrow, found))
    if types.is_decimal(found):
        return ColumnType(Kind.DECIMAL, digits=(found.precision - found.scale, found.scale))
    if types.is_timestamp(found):
        return ColumnType(Kind.DATETIME if found.tz is None else Kind.INSTANT)
    for kind, checks in _CHECKS.items():
        if any(getattr(types, check)(found) for check in checks):
            return ColumnType(kind)
    return MIXED


def _fields(arrow: Any, struct: Any) -> tuple[tuple[str, ColumnType], ...]:
    fields = [(field.name, column_type_of(arrow, field.type)) for field in struct]
    return tuple(sorted(fields, key=lambda field: field[0]))


_CHECKS: dict[Kind, tuple[str, ...]] = {
    Kind.NULL: ("is_null",),
    Kind.BOOL: ("is_boolean",),
    Kind.INT: ("is_integer",),
    Kind.FLOAT: ("is_floating",),
    Kind.TEXT: ("is_string", "is_large_string"),
    Kind.BYTES: ("is_binary", "is_large_binary", "is_fixed_size_binary"),
    Kind.DATE: ("is_date",),
    Kind.TIME: ("is_time",),
}
