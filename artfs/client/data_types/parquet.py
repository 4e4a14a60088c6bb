"""Tables into Parquet files, by pyarrow, which is imported when it is needed. The way back is in `stored_table`.

The same columns make the same bytes, in any process: no times, no names of machines, no notes of pandas; equal under one version of
pyarrow, which writes its own into every file. Pages end where the content says so, so that a table with a row more stores little
more than that row.

A column of mixed types is text (`mixed_values`), and is named in the file's own notes under the key `artfs`, which is JSON:
`{"format": 1, "mixed": ["column", …]}`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from artfs.client.data_types.arrow_types import arrow_type
from artfs.client.data_types.column_type import ColumnType
from artfs.client.data_types.frames import import_pandas
from artfs.client.data_types.mixed_values import encode_mixed
from artfs.errors import NotInstalled, TypeNotValid

#: Written into every file; a reader refuses what is newer.
FORMAT = 1
NOTES = b"artfs"


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
    arrow, parquet = import_pyarrow()
    table = arrow.table([_array(arrow, column) for column in columns], names=[column.name for column in columns])
    mixed = [column.name for column in columns if column.is_mixed]
    notes = {"format": FORMAT, "mixed": mixed} if mixed else {"format": FORMAT}
    sink = arrow.BufferOutputStream()
    options = {"version": "2.6", "compression": "zstd", "store_schema": False, "use_content_defined_chunking": True}
    with parquet.ParquetWriter(sink, table.schema, **options) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({NOTES: json.dumps(notes, sort_keys=True).encode()})
    return memoryview(sink.getvalue())


def to_frame(columns: Sequence[Column]) -> Any:
    """The columns as pandas would read them from the file. Raises NotInstalled without pyarrow or pandas."""
    arrow, _ = import_pyarrow()
    pandas = import_pandas()
    series = [
        pandas.Series(list(column.values), dtype=object) if column.is_mixed else _array(arrow, column).to_pandas()
        for column in columns
    ]
    frame = pandas.concat(series, axis=1) if series else pandas.DataFrame()
    frame.columns = [column.name for column in columns]
    return frame


def import_pyarrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet. Raises NotInstalled."""
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
        array = arrow.array(column.values, arrow_type(arrow, column.type))
    except (arrow.ArrowException, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise TypeNotValid(f"the column {column.name!r} cannot be stored as {column.type}: {reason}") from error
    return array.combine_chunks() if isinstance(array, arrow.ChunkedArray) else array
