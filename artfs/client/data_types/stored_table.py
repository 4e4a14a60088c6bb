"""Parquet files back into rows, by pyarrow, as far as they are asked for.

A file may come from anybody who can write to the store or to a staging directory, so it is taken for hostile: few bytes of Parquet
can stand for any number of values. Rows are read in batches that are small by what the file says of itself, and text that is
repeated is one object however often it is; what says that it is larger than memory is not tried. What any decoder raises on bytes
that are no table becomes an IntegrityError that names the file.

For one thread at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from artfs.client.data_types.arrow_types import column_type_of
from artfs.client.data_types.column_type import MIXED, Kind
from artfs.client.data_types.mixed_values import decode_mixed
from artfs.client.data_types.parquet import FORMAT, NOTES, import_pyarrow
from artfs.errors import ArtfsError, IntegrityError, ReferenceChanged, TypeNotValid, UserError
from artfs.model.counted import counted

#: Rows and encoded bytes that are in memory at once while going through a table, as far as the file can be believed.
_BATCH_ROWS = 16 << 10
_BATCH_BYTES = 16 << 20
#: Bytes that become Python objects at once: of more text, each is decoded once, or not at all where it is in a list of one row.
_MOST_BYTES = 256 << 20
#: What fits into memory as Python objects on a large machine.
_MOST_VALUES = 1 << 28


class StoredTable:
    """A table in a file. `file` reads at any place; `name` is said in errors.

    Raises IntegrityError where it is no table, here and later; TypeNotValid if it has columns that no Table can hold.
    """

    def __init__(self, file: Any, name: str) -> None:
        self.name = name
        with _telling(name):
            self._arrow, parquet = import_pyarrow()
            metadata = parquet.read_metadata(file)
            file.seek(0)
            texts = [
                metadata.schema.column(index).path for index in range(metadata.num_columns) if _is_text(metadata.schema, index)
            ]
            self._file = parquet.ParquetFile(file, pre_buffer=False, metadata=metadata, read_dictionary=texts)
            self.columns: list[str] = list(self._file.schema_arrow.names)
            self.row_count: int = metadata.num_rows
            self.types = [column_type_of(self._arrow, field.type) for field in self._file.schema_arrow]
            mixed = _read_notes(metadata.metadata or {})
            self._mixed = [index for index, column in enumerate(self.columns) if column in mixed]
            self._check()

    def iter_rows(self) -> Iterator[list[Any]]:
        """The rows in order, few of them in memory."""
        count = 0
        with _telling(self.name):
            for batch in self._file.iter_batches(batch_size=self._batch_rows(), use_threads=False):
                count += batch.num_rows
                for piece in self._pieces(batch):
                    columns = [self._values(index, array) for index, array in enumerate(piece.columns)]
                    yield from map(list, zip(*columns, strict=True))
            if count != self.row_count:
                raise IntegrityError(f"it has {counted(count, 'row')}, and says that there are {self.row_count}")

    def read_rows(self) -> list[list[Any]]:
        """All rows. Raises UserError if they are too many to be in memory as Python objects."""
        if self.row_count * len(self.columns) > _MOST_VALUES:
            raise UserError(
                f"{self.name} has {self.row_count} rows, too much to have in memory as Python objects: go through them with "
                "iterrows(), or read the file with pandas, Polars or DuckDB"
            )
        return list(self.iter_rows())

    def _values(self, index: int, array: Any) -> list[Any]:
        types = self._arrow.types
        if types.is_timestamp(array.type) and array.type.unit != "us":
            array = array.cast(self._arrow.timestamp("us", array.type.tz))
        is_text = types.is_dictionary(array.type)
        if (is_text or types.is_nested(array.type)) and (size := self._text_size(array)) > _MOST_BYTES:
            if not is_text:
                raise IntegrityError(f"the column {self.columns[index]!r} has {size} bytes of text in {counted(len(array), 'row')}")
            texts = array.dictionary.to_pylist()
            values = [None if number is None else texts[number] for number in array.indices.to_pylist()]
        else:
            values = (array.dictionary_decode() if is_text else array).to_pylist()
        return [decode_mixed(value) for value in values] if index in self._mixed else values

    def _pieces(self, batch: Any) -> Iterator[Any]:
        """The batch in pieces that are few where its lists are long."""
        nested = [array for array in batch.columns if self._arrow.types.is_nested(array.type)]
        size = sum(self._text_size(array) + 8 * self._value_count(array) for array in nested)
        rows = max(batch.num_rows * _MOST_BYTES // max(size, 1), 1)
        return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))

    def _value_count(self, array: Any) -> int:
        types = self._arrow.types
        if types.is_struct(array.type):
            return sum(map(self._value_count, array.flatten()))
        return self._value_count(array.flatten()) if types.is_nested(array.type) else len(array)

    def _text_size(self, array: Any) -> int:
        """Bytes of all texts in an array of any type, each counted as often as it is there."""
        types = self._arrow.types
        if types.is_dictionary(array.type):
            from pyarrow import compute  # noqa: PLC0415  optional

            return compute.sum(compute.binary_length(array.dictionary).cast("int64").take(array.indices)).as_py() or 0
        if types.is_struct(array.type):
            return sum(map(self._text_size, array.flatten()))
        return self._text_size(array.flatten()) if types.is_nested(array.type) else 0

    def _batch_rows(self) -> int:
        # What the groups say of their columns must not be asked: pyarrow ends the process when that is damaged.
        metadata = self._file.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        fitting: list[int] = [_BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1) for group in groups]
        return max(min([_BATCH_ROWS, *fitting]), 1)

    def _check(self) -> None:
        if len(set(self.columns)) < len(self.columns) or any(not name or "\0" in name for name in self.columns):
            raise IntegrityError("a column has no name, or one with NUL in it, or that of another column")
        for column, kind in zip(self.columns, self.types, strict=True):
            if kind.obstacle:
                raise TypeNotValid(
                    f"the column {column!r} of {self.name} has a type that a Table cannot hold: read the file with pandas, Polars "
                    "or DuckDB"
                )
        for index in self._mixed:
            if self.types[index].kind is not Kind.TEXT:
                raise IntegrityError(f"the column {self.columns[index]!r} is said to be of mixed types, and is no text")
            self.types[index] = MIXED


def _is_text(schema: Any, index: int) -> bool:
    column = schema.column(index)
    return column.physical_type == "BYTE_ARRAY" and column.logical_type.type in {"STRING", "NONE", "JSON", "ENUM"}


def _read_notes(notes: dict[bytes, bytes]) -> set[str]:
    """The names of the columns of mixed types."""
    if NOTES not in notes:  # written by others
        return set()
    found = json.loads(notes[NOTES])
    if found["format"] > FORMAT:
        raise IntegrityError("it was written by a newer artfs: upgrade to read it")
    return set(found.get("mixed", ()))


@contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        yield
    except ReferenceChanged:
        raise
    except IntegrityError as error:
        raise IntegrityError(f"cannot read the table {name}: {error.message}") from error
    except ArtfsError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RecursionError, TypeError, ValueError) as error:
        # pyarrow's own are ValueErrors, OSErrors, MemoryErrors and such, too.
        reason = str(error).partition("\n")[0][:200]
        raise IntegrityError(f"cannot read the table {name}: {reason or type(error).__name__}") from error
