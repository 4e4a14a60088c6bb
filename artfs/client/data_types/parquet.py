"""Tables as Parquet files, by pyarrow, which is imported when it is needed.

The same columns make the same bytes, in any process: no times, no names of machines, no notes of pandas; equal under one version of
pyarrow, which writes its own into every file. Pages end where the content says so, so that a table with a row more stores little
more than that row.

A column of mixed types is text (`mixed_values`), and is named in the file's own notes under the key `artfs`, which is JSON:
`{"format": 1, "mixed": ["column", …]}`. Files that have no such note were written by others, and are read as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from artfs.client.data_types.column_type import NULL, ColumnType, Kind
from artfs.client.data_types.mixed_values import decode_mixed, encode_mixed
from artfs.errors import ArtfsError, IntegrityError, NotInstalled, TypeNotValid, UserError

#: Written into every file; a reader refuses what is newer.
_FORMAT = 1
_NOTES = b"artfs"
#: Rows that are in memory at once while going through a table.
_BATCH_ROWS = 4096
#: What fits into memory as Python objects on a large machine.
_MOST_CELLS = 1 << 28
_NAMES: dict[Kind, str] = {
    Kind.NULL: "null",
    Kind.BOOL: "bool_",
    Kind.INT: "int64",
    Kind.FLOAT: "float64",
    Kind.TEXT: "large_string",
    Kind.BYTES: "large_binary",
    Kind.DATE: "date32",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column to be stored: its values are plain, and of the type."""

    name: str
    values: Sequence[Any]
    type: ColumnType

    @property
    def is_mixed(self) -> bool:
        """True if it is stored as text."""
        return bool(self.type.obstacle)


def encode_table(columns: Sequence[Column]) -> memoryview:
    """The bytes of the file. Raises NotInstalled without pyarrow, TypeNotValid for a number that its column cannot hold."""
    arrow, parquet = _pyarrow()
    table = arrow.table([_array(arrow, column) for column in columns], names=[column.name for column in columns])
    mixed = [column.name for column in columns if column.is_mixed]
    notes = {"format": _FORMAT, "mixed": mixed} if mixed else {"format": _FORMAT}
    sink = arrow.BufferOutputStream()
    options = {"version": "2.6", "compression": "zstd", "store_schema": False, "use_content_defined_chunking": True}
    with parquet.ParquetWriter(sink, table.schema, **options) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_NOTES: json.dumps(notes, sort_keys=True).encode()})
    return memoryview(sink.getvalue())


def to_frame(columns: Sequence[Column]) -> Any:
    """The columns as pandas would read them from the file. Raises NotInstalled without pyarrow or pandas."""
    arrow, _ = _pyarrow()
    pandas = import_pandas()
    series = [
        pandas.Series(list(column.values), dtype=object) if column.is_mixed else _array(arrow, column).to_pandas()
        for column in columns
    ]
    frame = pandas.concat(series, axis=1) if series else pandas.DataFrame()
    frame.columns = [column.name for column in columns]
    return frame


class StoredTable:
    """A Parquet file that is read as far as it is asked for.

    `file` reads from any place; `name` is said in errors. IntegrityError is raised where it is no table, here and later.
    """

    def __init__(self, file: Any, name: str) -> None:
        self.name = name
        with _telling(name):
            arrow, parquet = _pyarrow()
            self._file = parquet.ParquetFile(file, pre_buffer=False)
            schema = self._file.schema_arrow
            self.columns: list[str] = list(schema.names)
            self.row_count: int = self._file.metadata.num_rows
            mixed = _read_notes(self._file.metadata.metadata or {})
            self._mixed = [index for index, column in enumerate(self.columns) if column in mixed]
            self.types = [_type_of(arrow, field.type) for field in schema]
        self._check()

    def iter_rows(self) -> Iterator[list[Any]]:
        """The rows in order, few of them in memory."""
        with _telling(self.name):
            arrow, _ = _pyarrow()
            count = 0
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
                columns = [self._values(arrow, index, array) for index, array in enumerate(batch.columns)]
                for row in zip(*columns, strict=True):
                    count += 1
                    yield list(row)
            if count != self.row_count:
                raise IntegrityError(f"it has {count} rows, and says that there are {self.row_count}")

    def read_rows(self) -> list[list[Any]]:
        """All rows. Raises UserError if they are too many to be in memory as Python objects."""
        if self.row_count * len(self.columns) > _MOST_CELLS:
            raise UserError(
                f"{self.name} has {self.row_count} rows, too many to have in memory as Python objects: go through them with "
                "iterrows(), or read the file in the mount with pandas, Polars or DuckDB"
            )
        return list(self.iter_rows())

    def _values(self, arrow: ModuleType, index: int, array: Any) -> list[Any]:
        if arrow.types.is_timestamp(array.type) and array.type.unit != "us":
            array = array.cast(arrow.timestamp("us", array.type.tz))
        values: list[Any] = array.to_pylist()
        return [decode_mixed(value) for value in values] if index in self._mixed else values

    def _check(self) -> None:
        if len(set(self.columns)) < len(self.columns):
            raise IntegrityError(f"{self.name} has two columns of one name")
        for column, kind in zip(self.columns, self.types, strict=True):
            if kind.obstacle:
                raise TypeNotValid(
                    f"the column {column!r} of {self.name} has a type that a Table cannot hold: read the file with pandas, "
                    "Polars or DuckDB"
                )
        for index in self._mixed:
            self.types[index] = ColumnType(Kind.MIXED)


def import_pandas() -> Any:
    """pandas. Raises NotInstalled."""
    try:
        import pandas  # noqa: ICN001, PLC0415  optional, and slow to import
    except ImportError as error:
        raise NotInstalled("a DataFrame needs pandas: install it with pip install pandas") from error
    return pandas


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow  # noqa: ICN001, PLC0415  optional, and slow to import
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise NotInstalled("tables are stored by pyarrow, which is not installed: pip install 'artfs[tables]'") from error
    return pyarrow, pyarrow.parquet


def _array(arrow: Any, column: Column) -> Any:
    if column.is_mixed:
        return arrow.array([encode_mixed(value) for value in column.values], arrow.large_string())
    try:
        array = arrow.array(column.values, _arrow_type(arrow, column.type))
    except (arrow.ArrowException, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise TypeNotValid(f"the column {column.name!r} cannot be stored as {column.type}: {reason}") from error
    return array.combine_chunks() if isinstance(array, arrow.ChunkedArray) else array


def _arrow_type(arrow: Any, column: ColumnType) -> Any:
    if column.kind is Kind.LIST:
        return arrow.large_list(_arrow_type(arrow, column.item or NULL))
    if column.kind is Kind.DICT:
        return arrow.struct([(key, _arrow_type(arrow, field)) for key, field in column.fields])
    if column.kind is Kind.DECIMAL:
        return arrow.decimal128(sum(column.digits), column.digits[1])
    if column.kind is Kind.TIME:
        return arrow.time64("us")
    if column.kind in {Kind.DATETIME, Kind.INSTANT}:
        return arrow.timestamp("us", "UTC" if column.kind is Kind.INSTANT else None)
    return getattr(arrow, _NAMES[column.kind])()


def _type_of(arrow: Any, found: Any) -> ColumnType:
    """The type that stands for one of Arrow; MIXED for what a table has no type for."""
    types = arrow.types
    if types.is_dictionary(found):
        return _type_of(arrow, found.value_type)
    if types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found):
        return ColumnType(Kind.LIST, _type_of(arrow, found.value_type))
    if types.is_struct(found):
        return ColumnType(Kind.DICT, fields=tuple(sorted((field.name, _type_of(arrow, field.type)) for field in found)))
    if types.is_decimal(found):
        return ColumnType(Kind.DECIMAL, digits=(found.precision - found.scale, found.scale))
    if types.is_timestamp(found):
        return ColumnType(Kind.DATETIME if found.tz is None else Kind.INSTANT)
    for kind, checks in _CHECKS.items():
        if any(getattr(types, check)(found) for check in checks):
            return ColumnType(kind)
    return ColumnType(Kind.MIXED)


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


def _read_notes(notes: dict[bytes, bytes]) -> set[str]:
    """The names of the columns of mixed types."""
    if _NOTES not in notes:
        return set()
    found = json.loads(notes[_NOTES])
    if found["format"] > _FORMAT:
        raise IntegrityError("it was written by a newer artfs: upgrade to read it")
    return set(found.get("mixed", ()))


@contextmanager
def _telling(name: str) -> Iterator[None]:
    """What any decoder raises on bytes that are no table becomes an IntegrityError that names it."""
    try:
        yield
    except IntegrityError as error:
        raise IntegrityError(f"cannot read the table {name}: {error.message}") from error
    except ArtfsError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RecursionError, TypeError, ValueError) as error:
        # pyarrow's own are ValueErrors, OSErrors, MemoryErrors and such, too.
        reason = str(error).partition("\n")[0][:200]
        raise IntegrityError(f"{name} is not a table that can be read: {reason or type(error).__name__}") from error
