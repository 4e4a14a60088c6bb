"""Which values go into a table, and as what they come out of its file."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artfs.client.data_types.mixed_values import decode_mixed, encode_mixed
from artfs.client.data_types.table import Table
from artfs.errors import TypeNotValid
from tests.unit.client.data_types.making import round_trip

NOON = datetime.fromisoformat("2026-01-31T12:00:00.000005")
BERLIN = timezone(timedelta(hours=1))


class Colour(IntEnum):
    RED = 1


class Word(StrEnum):
    YES = "yes"


class Point(NamedTuple):
    x: int
    y: int


class Tensor:
    """Looks like those of torch, as far as a table looks."""

    def tolist(self) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (float("inf"), float("inf")),
        ("", ""),
        ("日本 \x00 ü", "日本 \x00 ü"),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        (NOON, NOON),
        (NOON.replace(tzinfo=BERLIN), NOON.replace(hour=11, tzinfo=UTC)),
        (datetime.fromisoformat("0001-01-01"), datetime.fromisoformat("0001-01-01")),
        (datetime.fromisoformat("9999-12-31T23:59:59.999999"), datetime.fromisoformat("9999-12-31T23:59:59.999999")),
        (date(1, 1, 1), date(1, 1, 1)),
        (time(23, 59, 59, 999_999), time(23, 59, 59, 999_999)),
        (Decimal("1E+3"), Decimal(1000)),
        (Decimal("-0.00000000000000000000000000000000000001"), Decimal("-1E-38")),
        (Colour.RED, 1),
        (Word.YES, "yes"),
        (Point(1, 2), [1, 2]),
        (np.int8(-5), -5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.datetime64("2026-01-31T12:00"), datetime.fromisoformat("2026-01-31T12:00")),
        (np.datetime64("2026-01-31"), datetime.fromisoformat("2026-01-31")),
        (np.datetime64("NaT"), None),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([], dtype=float), []),
        (np.array(["2026-01-31"], dtype="datetime64[ns]"), [datetime.fromisoformat("2026-01-31")]),
        (pd.Timestamp("2026-01-31T12:00:00.000005"), NOON),
        (pd.NaT, None),
        (pd.NA, None),
        (pd.Series([1, 2]), [1, 2]),
        (Tensor(), 0.5),
        ([], []),
        ([None, 1], [None, 1]),
        ([[], [1.5]], [[], [1.5]]),
        ({"b": 1, "a": [None, {"c": "x"}]}, {"a": [None, {"c": "x"}], "b": 1}),
        ({"": 1}, {"": 1}),
    ],
)
def test_a_value_comes_back_in_its_plain_type(value: Any, plain: Any) -> None:
    table = Table(columns=["a"], data=[[value], [None]])
    assert table.data == [[plain], [None]]
    assert type(table.data[0][0]) is type(plain)
    back = round_trip(table)
    assert back.data == [[plain], [None]]
    assert type(back.data[0][0]) is type(plain)
    assert back == table


def test_not_a_number_stays_and_is_not_none() -> None:
    back = round_trip(Table(columns=["a"], data=[[float("nan")], [None], [1.0]]))
    assert repr(back.data) == "[[nan], [None], [1.0]]"


def test_a_column_without_values_and_a_table_without_rows_come_back() -> None:
    for table in (Table(columns=["a", "b"], data=[[None, 1], [None, 2]]), Table(columns=["a", "b"])):
        assert round_trip(table) == table
        assert round_trip(table).columns == ["a", "b"]


def test_decimals_of_a_column_share_their_digits() -> None:
    table = Table(columns=["a"], data=[[Decimal("1.5")], [Decimal(100)]])
    assert round_trip(table).data == [[Decimal("1.5")], [Decimal(100)]]
    with pytest.raises(TypeNotValid, match=r"row 1: with those before it has Decimals that together need more than 38 digits"):
        Table(columns=["a"], data=[[Decimal("1E-30")], [Decimal("1E+20")]])
    for value in (Decimal("NaN"), Decimal("Infinity"), Decimal("1E-40")):
        with pytest.raises(TypeNotValid, match="a Decimal must"):
            Table(columns=["a"], data=[[value]])


def test_times_with_and_without_zone_do_not_go_together() -> None:
    with pytest.raises(TypeNotValid, match="has datetime without time zone before row 1, and datetime with time zone there"):
        Table(columns=["a"], data=[[NOON], [NOON.replace(tzinfo=UTC)]])
    with pytest.raises(TypeNotValid, match="a time with a time zone cannot be in a table"):
        Table(columns=["a"], data=[[time(12, tzinfo=UTC)]])
    with pytest.raises(TypeNotValid, match="before the year 1 or after 9999"):
        Table(columns=["a"], data=[[datetime.min.replace(tzinfo=BERLIN)]])


def test_dicts_of_a_column_must_have_the_same_keys() -> None:
    with pytest.raises(TypeNotValid, match="has dict of 'a' before row 1, and dict of 'a', 'b' there"):
        Table(columns=["d"], data=[[{"a": 1}], [{"a": 1, "b": None}]])
    table = Table(columns=["d"], data=[[{"a": 1, "b": [1]}], [{"b": [2.5], "a": None}]])
    assert round_trip(table) == table


MIXED: list[Any] = [
    None,
    1,
    1.5,
    float("nan"),
    float("-inf"),
    True,
    "x",
    b"\x00\xff",
    NOON,
    NOON.replace(tzinfo=UTC),
    NOON.date(),
    NOON.time(),
]
MIXED += [
    Decimal("1.50"),
    [1, "x", None],
    {},
    {"a": b"x"},
    {"$bytes": "x"},
    {"$dict": {"$float": 1}},
    {"$other": 1},
    [float("nan")],
]


def test_mixed_types_come_back_as_they_were() -> None:
    table = Table(columns=["a", "n"], data=[[value, 1] for value in MIXED], allow_mixed_types=True)
    back = round_trip(table)
    assert back == table
    assert [type(row[0]) for row in back.data] == [type(value) for value in MIXED]
    back.add_data("more", 2)
    assert round_trip(back) == back
    stored = pyarrow.parquet.read_table(io.BytesIO(table.encode())).to_pydict()
    assert stored["a"][:5] == [None, "1", "1.5", '{"$float":"nan"}', '{"$float":"-inf"}']
    assert set(stored["n"]) == {1}
    frame = back.to_pandas()
    assert frame["a"][6] == "x"
    assert frame["n"].dtype == np.dtype("int64")


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(plain_values, max_size=6))
def test_whatever_a_table_takes_comes_back_the_same_and_is_the_same_bytes(values: list[Any]) -> None:
    table = Table(columns=["a"], data=[[value] for value in values], allow_mixed_types=True)
    data = bytes(table.encode())
    back = round_trip(table)
    assert back == table
    assert bytes(back.encode()) == data


@given(plain_values)
def test_a_cell_of_mixed_types_comes_back(value: Any) -> None:
    text = encode_mixed(value)
    assert encode_mixed(decode_mixed(text)) == text
