"""Tables in the mount: the file of a table is read by pandas, Polars and DuckDB directly, with its types."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from artfs.client.data_types.table import Table
from tests.mount.mounting import Place

NOON = datetime.fromisoformat("2026-01-31T12:00:00.000005")
COLUMNS = ["bool", "int", "float", "text", "bytes", "time", "instant", "date", "decimal", "list", "dict", "mixed", "none"]
ROWS: list[list[Any]] = [
    [
        True,
        2**62,
        0.5,
        "日本",
        b"\x00\xff",
        NOON,
        NOON.replace(tzinfo=UTC),
        NOON.date(),
        Decimal("1.50"),
        [1, 2],
        {"a": 1},
        1,
        None,
    ],
    [None] * 13,
    [False, -1, float("inf"), "", b"", NOON, NOON.replace(tzinfo=UTC), date(1, 1, 1), Decimal("-2.25"), [], {"a": None}, "x", None],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A version in the mount that holds a table, and another one in two parts."""
    place = Place(tmp_path_factory.mktemp("tables"))
    source = place.root / "source"
    (source / "parts").mkdir(parents=True)
    (source / "one.table.parquet").write_bytes(Table(columns=COLUMNS, data=ROWS, allow_mixed_types=True).encode())
    for number in range(2):
        (source / f"parts/table_{number}.table.parquet").write_bytes(Table(columns=["n"], data=[[number], [number + 10]]).encode())
    place.commit(source)
    with place.mounted() as mountpoint:
        yield mountpoint / "data/v0"


def test_pandas_reads_a_table_with_its_types(folder: Path) -> None:
    frame = pd.read_parquet(folder / "one.table.parquet")
    assert list(frame.columns) == COLUMNS
    assert [str(kind) for kind in frame.dtypes[["float", "time", "instant"]]] == [
        "float64",
        "datetime64[us]",
        "datetime64[us, UTC]",
    ]
    first = frame.iloc[0]
    assert first["bool"] is True
    assert (first["text"], first["bytes"], first["date"], first["decimal"]) == ("日本", b"\x00\xff", NOON.date(), Decimal("1.50"))
    assert (first["time"], first["instant"], first["dict"]) == (NOON, NOON.replace(tzinfo=UTC), {"a": 1})
    assert np.array_equal(first["list"], [1, 2])
    assert list(frame["mixed"])[::2] == ["1", '"x"']
    assert frame["int"].isna().tolist() == [False, True, False]


def test_polars_reads_a_table_with_its_types(folder: Path) -> None:
    frame = pl.read_parquet(folder / "one.table.parquet")
    assert dict(frame.schema) | {"none": None} == {
        "bool": pl.Boolean(),
        "int": pl.Int64(),
        "float": pl.Float64(),
        "text": pl.String(),
        "bytes": pl.Binary(),
        "time": pl.Datetime("us"),
        "instant": pl.Datetime("us", "UTC"),
        "date": pl.Date(),
        "decimal": pl.Decimal(3, 2),
        "list": pl.List(pl.Int64()),
        "dict": pl.Struct({"a": pl.Int64()}),
        "mixed": pl.String(),
        "none": None,
    }
    for row, stored in zip(frame.rows(), ROWS, strict=True):
        assert list(row[:10]) == stored[:10]
    assert frame["dict"].to_list()[::2] == [{"a": 1}, {"a": None}]
    assert frame["none"].null_count() == 3
    assert pl.scan_parquet(folder / "parts/*.parquet").select(pl.col("n").sum()).collect().item() == 22


#: A process of its own: DuckDB lists at the end of one what it has not freed, in the midst of what the tests print.
ASK_DUCKDB = """
import duckdb, pickle, sys
sys.stdout.buffer.write(pickle.dumps([duckdb.sql(query).fetchall() for query in sys.argv[1:]]))
"""


def ask_duckdb(*queries: str) -> list[list[tuple[Any, ...]]]:
    """The rows of each answer."""
    done = subprocess.run([sys.executable, "-c", ASK_DUCKDB, *queries], capture_output=True, check=True)
    answers: list[list[tuple[Any, ...]]] = pickle.loads(done.stdout)
    return answers


def test_duckdb_reads_a_table_with_its_types(folder: Path) -> None:
    one = f"'{folder}/one.table.parquet'"
    described, plain, nested, parts = ask_duckdb(
        f"describe select * from {one}",
        f"select bool, int, float, text, bytes, time, date, decimal, list from {one}",
        f"select epoch_us(instant), dict.a from {one}",
        f"select sum(n), count(*) from '{folder}/parts/*.parquet'",
    )
    assert {name: kind for name, kind, *_ in described} | {"none": ""} == {
        "bool": "BOOLEAN",
        "int": "BIGINT",
        "float": "DOUBLE",
        "text": "VARCHAR",
        "bytes": "BLOB",
        "time": "TIMESTAMP",
        "instant": "TIMESTAMP WITH TIME ZONE",
        "date": "DATE",
        "decimal": "DECIMAL(3,2)",
        "list": "BIGINT[]",
        "dict": "STRUCT(a BIGINT)",
        "mixed": "VARCHAR",
        "none": "",
    }
    assert [list(row) for row in plain] == [row[:6] + row[7:10] for row in ROWS]
    assert nested[0] == (int(NOON.replace(tzinfo=UTC).timestamp() * 1_000_000), 1)
    assert parts == [(22, 4)]
