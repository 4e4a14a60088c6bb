"""Tables in files: the same bytes for the same table, files of others, and bytes that are no table."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artfs.client.data_types.stored_file import StoredFile
from artfs.client.data_types.stored_table import StoredTable
from artfs.client.data_types.table import Table
from artfs.errors import IntegrityError, TypeNotValid, UserError
from tests.unit.client.data_types.making import read_back

#: Prints the digest of a table whose dicts and columns of mixed types are filled in an order that differs from process to process.
DIGEST = """
import hashlib
from artfs.data_types import Table
names = sorted({"one", "two", "three", "four"}, key=hash)
rows = [[n, dict.fromkeys(names), [dict.fromkeys(names, n)], dict.fromkeys(names, n) if n else n] for n in range(3)]
table = Table(columns=["n", "d", "l", "mixed"], data=rows, allow_mixed_types=True)
print(hashlib.sha256(table.encode()).hexdigest())
"""


def make(rows: int = 300) -> Table:
    return Table(
        columns=["n", "f", "s", "l", "d", "t"],
        data=[[i, i / 2, f"text {i % 7}", [i, 2], {"k": i, "z": "q"}, datetime.fromisoformat("2026-01-31")] for i in range(rows)],
    )


def write(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return bytes(sink.getvalue())


def test_the_same_table_is_the_same_bytes_in_any_process(environ: dict[str, str]) -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert bytes(make().encode()) == bytes(make().encode())


def test_the_bytes_do_not_depend_on_how_the_table_was_filled() -> None:
    one, table = make(), Table(columns=one_columns()[:5])
    for row in one.data:
        table.add_data(*row[:4], dict(reversed(row[4].items())))
    table.add_column("t", [row[5] for row in one.data])
    assert bytes(table.encode()) == bytes(one.encode())
    assert bytes(Table.from_pandas(one.to_pandas()).encode()) == bytes(one.encode())
    assert bytes(read_back(one.encode()).encode()) == bytes(one.encode())


def one_columns() -> list[str]:
    return make(0).columns


def test_a_file_says_nothing_of_when_where_and_by_whom() -> None:
    metadata = pq.read_metadata(io.BytesIO(make().encode()))
    assert metadata.metadata == {b"artfs": b'{"format": 1}'}


def test_a_row_more_leaves_most_bytes_as_they_are() -> None:
    rows = [[i, f"{i * 7919 % 1_000_003:x}" * 8] for i in range(60_000)]
    before = bytes(Table(columns=["n", "s"], data=rows).encode())
    rows.insert(100, [-1, "new"])
    after = bytes(Table(columns=["n", "s"], data=rows).encode())
    blocks = {before[start : start + 64] for start in range(len(before) - 64)}
    known = sum(after[start : start + 64] in blocks for start in range(0, len(after), 64)) * 64
    assert known > len(after) / 2


def test_rows_are_read_in_batches_and_only_as_far_as_asked() -> None:
    chance = random.Random(3)
    table = Table(columns=["s"], data=[[chance.randbytes(200)] for _ in range(20_000)])
    data = bytes(table.encode())
    asked: list[int] = []

    def read(offset: int, length: int) -> bytes:
        asked.append(length)
        return data[offset : offset + length]

    stored = StoredTable(StoredFile(read, len(data)), "'one'")
    assert stored.row_count == 20_000
    assert sum(asked) < len(data) / 4
    rows = stored.iter_rows()
    assert next(rows) == table.data[0]
    assert Table.from_stored(stored) == table


def test_files_of_others_are_read() -> None:
    frame = make().to_pandas()
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    assert read_back(buffer.getvalue()) == make()
    foreign = pa.table(
        {
            "u8": pa.array([1, None], pa.uint8()),
            "f32": pa.array([0.5, None], pa.float32()),
            "category": pa.array(["x", None]).dictionary_encode(),
            "ns": pa.array([1_000, None], pa.timestamp("ns")),
            "seconds": pa.array([1, None], pa.timestamp("ms", "Europe/Berlin")),
            "large": pa.array(["y", None], pa.large_string()),
            "fixed": pa.array([b"ab", None], pa.binary(2)),
            "lists": pa.array([["a", None], None], pa.list_(pa.string())),
        }
    )
    table = read_back(write(foreign))
    assert table.data[0][:4] == [1, 0.5, "x", datetime.fromisoformat("1970-01-01T00:00:00.000001")]
    assert table.data[0][5:] == ["y", b"ab", ["a", None]]
    assert table.data[1] == [None] * 8
    assert read_back(table.encode()) == table


def test_types_that_a_table_cannot_hold_are_told_by_column() -> None:
    for kind in (pa.duration("s"), pa.map_(pa.string(), pa.int64()), pa.list_(pa.duration("s"))):
        with pytest.raises(TypeNotValid, match="the column 'x' of 'one' has a type that a Table cannot hold"):
            read_back(write(pa.table({"x": pa.array([None], kind)})))


def test_text_that_is_repeated_does_not_fill_the_memory() -> None:
    text = "x" * (1 << 20)
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), [text])
    data = write(pa.table({"s": repeated}), compression="zstd")
    assert len(data) < 10_000
    table = read_back(data)
    assert len(table.data) == 20_000
    assert table.data[0][0] is table.data[1][0]
    long = pa.LargeListArray.from_arrays([0, 150, 300], pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), [text]))
    rows = read_back(write(pa.table({"n": [1, 2], "s": long}), compression="zstd")).iterrows()
    assert [(index, row[0], len(row[1]), row[1][-1] == text) for index, row in rows] == [(0, 1, 150, True), (1, 2, 150, True)]
    lists = pa.LargeListArray.from_arrays([0, 300], pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), [text]))
    with pytest.raises(IntegrityError, match=r"'one'.*the column 's' has 314572800 bytes of text in 1 row"):
        _ = read_back(write(pa.table({"s": lists}), compression="zstd")).data


def test_more_rows_than_fit_into_memory_are_not_tried() -> None:
    data = write(pa.table({"x": pa.nulls(1 << 28), "y": pa.nulls(1 << 28)}))
    table = read_back(data)
    assert len(table) == 1 << 28
    assert next(table.iterrows()) == (0, [None, None])
    assert len(table._repr_html_()) < 5000
    with pytest.raises(UserError, match=r"'one' has 268435456 rows, too much to have in memory.*iterrows"):
        _ = table.data


def test_notes_that_lie_are_told() -> None:
    def noted(notes: bytes, values: list[Any]) -> bytes:
        return write(pa.table({"x": values}).replace_schema_metadata({b"artfs": notes}))

    for notes, values in (
        (b"", [1]),
        (b"[]", [1]),
        (b'{"format": "1"}', [1]),
        (b'{"format": 1, "mixed": 5}', [1]),
        (b'{"format": 1, "mixed": ["x"]}', [1]),
        (b'{"format": 1, "mixed": ["x"]}', ["no json"]),
        (b'{"format": 1, "mixed": ["x"]}', ['{"$bytes": 5}']),
        (b'{"format": 1, "mixed": ["x"]}', ['{"$datetime": "never"}']),
        (b'{"format": 1, "mixed": ["x"]}', ["[" * 100_000]),
    ):
        with pytest.raises(IntegrityError, match="cannot read the table 'one': "):
            _ = read_back(noted(notes, values)).data
    with pytest.raises(IntegrityError, match="written by a newer artfs"):
        read_back(noted(b'{"format": 2}', [1]))
    assert read_back(noted(b'{"format": 1, "mixed": ["other"], "later": 1}', [1])).data == [[1]]


@pytest.mark.parametrize(
    "data",
    [b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\xff" * 8 + b"PAR1", bytes(1 << 16), b"a,b\n1,2\n", b"PAR1" + bytes(99) + b"PARE"],
)
def test_bytes_that_are_no_table_are_told(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="cannot read the table 'one': ") as told:
        _ = read_back(data).data
    assert len(str(told.value)) < 400


def test_two_columns_of_one_name_in_a_file_are_told() -> None:
    for names in (["x", "x"], ["x", ""], ["x", "y\0"]):
        with pytest.raises(IntegrityError, match="a column has no name, or one with NUL in it, or that of another column"):
            read_back(write(pa.table([pa.array([1]), pa.array([2])], names=names)))


def test_damaged_bytes_give_a_table_or_an_error_and_nothing_else() -> None:
    chance = random.Random(5)
    good = [bytes(make(60).encode()), bytes(Table(columns=["a"], data=[[1], ["x"], [b"q"]], allow_mixed_types=True).encode())]
    told = 0
    for _ in range(400):
        data = bytearray(chance.choice(good))
        for _ in range(chance.choice([1, 1, 2, 4])):
            place = chance.randrange(max(len(data) - 700, 0), len(data)) if chance.random() < 0.6 else chance.randrange(len(data))
            data[place] = chance.choice([0, 255, 127, 128, data[place] ^ (1 << chance.randrange(8))])
        try:
            _ = read_back(bytes(data[: chance.randrange(len(data))] if chance.random() < 0.1 else data)).data
        except (IntegrityError, TypeNotValid, UserError) as error:
            told += 1
            assert len(str(error)) < 500  # noqa: PT017
    assert told > 50
