"""Tables in memory: made, filled, refused, and shown."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from artfs.client.data_types.table import Table
from artfs.errors import EntryNotFound, NameNotValid, TypeNotValid, UserError
from tests.unit.client.data_types.making import round_trip

ROWS = [[1, "x"], [2, "y"]]


def make() -> Table:
    return Table(columns=["a", "b"], data=ROWS)


def test_rows_come_from_lists_arrays_and_frames() -> None:
    array = np.array([[1, 2], [3, 4]])
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=[7, 8])
    assert Table(columns=["a", "b"], data=tuple(map(tuple, ROWS))) == make()
    assert Table(columns=["a", "b"], rows=ROWS) == make()
    assert Table(columns=("a", "b"), data=(row for row in ROWS)) == make()
    assert Table(columns=["p", "q"], data=array).data == [[1, 2], [3, 4]]
    for table in (Table(dataframe=frame), Table(data=frame), Table.from_pandas(frame), Table(columns=["a", "b"], dataframe=frame)):
        assert table == make()


def test_a_table_has_three_columns_unless_told() -> None:
    assert Table().columns == ["Input", "Output", "Expected"]
    assert len(Table()) == 0
    assert Table(columns=[0, 1], data=[[1, 2]]).columns == ["0", "1"]


def test_missing_values_of_a_frame_are_none_and_not_a_number_stays_among_floats() -> None:
    frame = pd.DataFrame(
        {
            "text": ["x", None],
            "float": [1.5, float("nan")],
            "int": pd.array([1, None], dtype="Int64"),
            "time": pd.to_datetime(["2026-01-31T12:00:00", None]),
            "object": pd.Series([[1], None], dtype=object),
        }
    )
    table = Table.from_pandas(frame)
    assert [row is None for row in table.data[1]] == [True, False, True, True, True]
    assert repr(table.data[1][1]) == "nan"
    assert table == round_trip(table)


def test_the_caller_keeps_its_own_rows() -> None:
    rows = [[1, [1, 2]]]
    table = Table(columns=["a", "b"], data=rows)
    rows[0][0] = 5
    rows[0][1].append(3)  # type: ignore[attr-defined]
    assert table.data == [[1, [1, 2]]]


def test_rows_and_columns_are_added() -> None:
    table = make()
    table.add_data(3, None)
    table.add_row(4, "z")
    table.add_column("c", np.array([1.0, 2.0, 3.0, 4.0]))
    table.add_column(5, [None, 1, 2, 3], optional=True)
    table.add_computed_columns(lambda index, row: {"double": row["a"] * 2, "index": index})
    assert table.columns == ["a", "b", "c", "5", "double", "index"]
    assert list(table.iterrows())[2] == (2, [3, None, 3.0, 2, 6, 2])
    assert table.get_column("double") == [2, 4, 6, 8]
    assert table.get_column("a", convert_to="numpy").sum() == 10
    assert table.get_index() == [0, 1, 2, 3]
    assert table.to_pandas().equals(table.get_dataframe())


def test_a_table_without_columns_gets_its_rows_with_the_first() -> None:
    table = Table(columns=[])
    table.add_column("a", [1, 2])
    table.add_column("b", ["x", "y"])
    assert table == make()


@pytest.mark.parametrize("row", [[], [1], [1, "x", 2]])
def test_a_row_of_another_length_is_refused_by_its_number(row: list[Any]) -> None:
    table = make()
    with pytest.raises(UserError, match=rf"row 2 has {len(row)} values?, but the table has 2 columns \(a, b\)"):
        table.add_data(*row)
    with pytest.raises(ValueError, match=r"row 1 has"):
        Table(columns=["a", "b"], data=[ROWS[0], row])
    assert table == make()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "has int before row 2, and str there"),
        (True, "has int before row 2, and bool there"),
        (date(2026, 1, 31), "has int before row 2, and date there"),
        ([1], "has int before row 2, and list of int there"),
        ({"k": 1}, "has int before row 2, and dict of 'k' there"),
        ([1, "x"], "cannot hold row 2: it has values of mixed types"),
        ({}, "cannot hold row 2: it has an empty dict"),
    ],
)
def test_mixed_types_are_refused_by_column_and_row_with_a_remedy(value: Any, said: str) -> None:
    table = make()
    with pytest.raises(TypeNotValid, match=f"the column 'a' {said}.*allow_mixed_types=True") as told:
        table.add_data(value, "z")
    assert isinstance(told.value, TypeError)
    assert isinstance(told.value, ValueError)
    assert table == make()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2**63, "an int must fit 64 bits"),
        (-(2**63) - 1, "an int must fit 64 bits"),
        (np.uint64(2**63), "an int must fit 64 bits"),
        ([[2**70]], "an int must fit 64 bits"),
        (1j, "a complex cannot be in a table"),
        ({1, 2}, "a set cannot be in a table"),
        (object(), "an object cannot be in a table"),
        ({1: 2}, "the keys of a dict must be text"),
        ("\ud800", "text must be valid Unicode"),
        ({"\ud800": 1}, "text must be valid Unicode"),
        (np.timedelta64(1, "s"), "a duration cannot be in a table"),
        (pd.Timedelta(1, "s"), "a pandas.Timedelta cannot be in a table"),
        (pd.Timestamp(1), "has nanoseconds"),
        (np.datetime64(1, "ns"), "has nanoseconds"),
        (np.longdouble(1), "a numpy.longdouble cannot be in a table"),
    ],
)
def test_values_that_no_table_can_hold_are_refused_by_column_and_row(value: Any, said: str) -> None:
    table = Table(columns=["a", "b"], data=[[1, None]], allow_mixed_types=True)
    with pytest.raises(TypeNotValid, match=f"the column 'b' cannot hold row 1: .*{said}"):
        table.add_data(2, value)
    assert table.data == [[1, None]]


def test_a_list_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    circle: dict[str, Any] = {}
    circle["itself"] = circle
    for value in (endless, circle):
        with pytest.raises(TypeNotValid, match="nested more than 32 deep"):
            Table(columns=["a"], data=[[value]])


def test_int_and_float_together_are_float() -> None:
    table = Table(columns=["n"], data=[[1], [2.5]])
    assert [type(row[0]) for row in round_trip(table).data] == [float, float]
    assert round_trip(table) == table
    exact = Table(columns=["n"], data=[[2**53 + 1], [0.5]])
    with pytest.raises(TypeNotValid, match=r"the column 'n' cannot be stored as float.*9007199254740993"):
        exact.encode()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["a", "a"], "two columns have the name 'a'"),
        ([1, "1"], "two columns have the name '1'"),
        ([""], "'' cannot be the name of a column"),
        (["a\0"], "cannot be the name of a column"),
        (["\ud800"], "cannot be the name of a column"),
        ([None], "the name of a column must be text, not NoneType"),
        ("abc", "columns must be a list of names, not str"),
        (5, "columns must be a list of names, not int"),
        ({"a", "b"}, "columns must be a list of names, not set"),
    ],
)
def test_names_of_columns_that_cannot_be_are_refused(columns: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Table(columns=columns)


def test_a_column_that_does_not_fit_is_refused() -> None:
    table = make()
    for name, values, said in (
        ("a", [1, 2], "has a column 'a' already"),
        ("c", [1], "the column 'c' has 1 value, but the table has 2 rows"),
        ("c", [1, "x"], "the column 'c' has int before row 1, and str there"),
        ("c", [1, None], "the column 'c' cannot hold row 1: it has no value, and optional is False"),
        ("c", 5, "the column 'c' must be a list of values, not int"),
        ("c", "xy", "the column 'c' must be a list of values, not str"),
    ):
        with pytest.raises(UserError, match=said):
            table.add_column(name, values)
    assert table == make()


def test_computed_columns_are_all_added_or_none() -> None:
    table = make()
    for function, said in (
        (lambda index, row: {"c": index} if index else {}, "other columns for row 1"),
        (lambda index, row: {"c": 1, "a": 2}, "has a column 'a' already"),
        (lambda index, row: {"c": index, "d": [1, "x"][index]}, "the column 'd' has int before row 1"),
        (lambda index, row: index, "it must return a dict"),
    ):
        with pytest.raises(UserError, match=said):
            table.add_computed_columns(function)
    assert table == make()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": ROWS, "dataframe": pd.DataFrame({"a": [1]})}, "data and dataframe are both rows"),
        ({"data": ROWS, "rows": ROWS}, "data and rows are both rows"),
        ({"dataframe": ROWS}, "dataframe must be a pandas DataFrame, not a list"),
        ({"dataframe": pl.DataFrame({"a": [1]})}, "dataframe must be a pandas DataFrame, not a polars.DataFrame"),
        ({"data": pl.DataFrame({"a": [1, 2], "b": [3, 4]})}, r"not a polars.DataFrame: pass its to_pandas\(\)"),
        ({"data": pa.table({"a": [1], "b": [3]})}, r"not a pyarrow.Table: pass its to_pandas\(\)"),
        ({"data": {(1, 2), (3, 4)}}, "data must be a list of rows, or a DataFrame, not set"),
        ({"dataframe": pd.DataFrame({"q": [1]})}, "the DataFrame has the columns q"),
        ({"data": 5}, "data must be a list of rows"),
        ({"data": "text"}, "data must be a list of rows"),
        ({"data": [5]}, "row 0 must be a list of values, not int"),
        ({"data": [{"a": 1, "b": 2}]}, "row 0 must be a list of values, not dict"),
        ({"data": np.array(["x", "y"])}, "row 0 must be a list of values, not str"),
        ({"dtype": [int]}, "dtype has 1 type, but the table has 2 columns"),
        ({"dtype": complex}, "is not a type that a column can have"),
        ({"dtype": "int"}, "is not a type that a column can have"),
        ({"optional": [True]}, "optional has 1 value, but the table has 2 columns"),
        ({"log_mode": "SOMETIMES"}, "log_mode is 'SOMETIMES'"),
    ],
)
def test_arguments_that_say_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Table(columns=["a", "b"], **options)


def test_dtype_says_which_values_a_column_takes() -> None:
    table = Table(columns=["a", "b", "c"], dtype=[float, str, None], data=[[1, "x", 1]])
    assert type(round_trip(table).data[0][0]) is float
    with pytest.raises(TypeNotValid, match="the column 'b' cannot hold row 1: it is int, and dtype is str"):
        table.add_data(1.0, 5, 1)
    for dtype, fine, wrong in (
        (int, 1, 1.5),
        (bool, True, 1),
        (bytes, b"", ""),
        (list, [1], (1).__class__),
        (dict, {"a": 1}, [1]),
        (date, date(2026, 1, 31), "2026"),
        (np.int64, 1, 1.5),
        (np.float32, 1.5, "x"),
        (np.dtype("float64"), 1.5, "x"),
        (np.bool_, True, 1),
    ):
        typed = Table(columns=["a"], dtype=dtype, data=[[fine], [None]])
        with pytest.raises(TypeNotValid):
            typed.add_data(wrong)
        for table in (typed, Table(columns=["a"], dtype=dtype), Table(columns=["a"], dtype=dtype, data=[[None]])):
            assert round_trip(table) == table
            assert bytes(round_trip(table).encode()) == bytes(table.encode())


def test_optional_false_refuses_none() -> None:
    for optional in (False, [True, False]):
        table = Table(columns=["a", "b"], data=ROWS, optional=optional)
        with pytest.raises(TypeNotValid, match="the column 'b' cannot hold row 2: it has no value, and optional is False"):
            table.add_data(1, None)
        assert table == make()


def test_rows_that_were_changed_in_place_are_checked_when_they_are_stored() -> None:
    table = make()
    table.data[1][0] = "text"
    with pytest.raises(TypeNotValid, match="the column 'a' has int before row 1, and str there"):
        table.encode()
    table.data[1] = [1]
    with pytest.raises(UserError, match="row 1 has 1 value,"):
        table.encode()
    table.data = ROWS
    assert table == make()


def test_tables_are_equal_by_columns_types_and_values() -> None:
    nan = float("nan")
    assert Table(columns=["a"], data=[[nan]]) == Table(columns=["a"], data=[[nan + 0]])
    assert Table(columns=["a"], data=[[[{"k": nan}]]]) == Table(columns=["a"], data=[[[{"k": nan + 0}]]])
    for other in (
        Table(columns=["a", "c"], data=ROWS),
        Table(columns=["a", "b"], data=ROWS[:1]),
        Table(columns=["a", "b"], data=[[1, "x"], [2, None]]),
        Table(columns=["a", "b"], data=[[1.0, "x"], [2.0, "y"]]),
        ROWS,
        None,
    ):
        assert make() != other


def test_a_column_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(EntryNotFound, match="the table has no column 'c': it has a, b"):
        make().get_column("c")
    with pytest.raises(UserError, match="cannot be converted to 'list'"):
        make().get_column("a", convert_to="list")


def test_a_table_shows_a_few_rows_and_columns() -> None:
    assert repr(make()) == "<Table: 2 rows; 2 columns: a, b>"
    html = make()._repr_html_()
    assert html.count("<tr>") == 3
    assert "more" not in html
    columns = [f"column {number} {'x' * 1000}" for number in range(1000)]
    wide = Table(columns=columns, data=[["<b>" + "y" * 10_000] * 1000] * 1000)
    assert len(wide._repr_html_()) < 100_000
    assert "… and 980 more rows" in wide._repr_html_()
    assert "<b>" not in wide._repr_html_()
    assert len(repr(wide)) < 1000
    long = Table(columns=["a"], data=[[list(range(100_000))], [[1]]])
    assert len(long._repr_html_()) < 1000


def test_a_table_goes_to_other_processes() -> None:
    assert pickle.loads(pickle.dumps(make())) == make()
    assert pickle.loads(pickle.dumps(round_trip(make()))) == make()


def test_a_table_without_columns_is_not_stored() -> None:
    with pytest.raises(UserError, match="a table without columns cannot be stored"):
        Table(columns=[]).encode()


PYARROW = "True tables are stored by pyarrow, which is not installed: pip install 'artfs[tables]'"
#: Takes a package away as if it had never been installed.
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import artfs
from artfs.errors import NotInstalled
table = artfs.Table(columns=["a"], data=[[1]])
table.add_data(2)
print(table, table._repr_html_().count("<td>"))
for call in (table.encode, table.to_pandas, lambda: table.get_column("a", "numpy")):
    try:
        call()
        print("fine")
    except NotInstalled as error:
        print(isinstance(error, ImportError), error)
"""


@pytest.mark.parametrize(
    ("package", "lines"),
    [
        ("pyarrow", [PYARROW, PYARROW, "fine"]),
        ("pandas", ["fine", "True a DataFrame needs pandas: install it with pip install pandas", "fine"]),
        (
            "numpy",
            [
                "fine",
                "True a DataFrame needs pandas: install it with pip install pandas",
                "True an array needs numpy: install it with pip install numpy",
            ],
        ),
    ],
)
def test_without_the_extra_the_error_names_it(package: str, lines: list[str], environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(package=package)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["<Table: 2 rows; 1 column: a> 2", *lines]


def test_a_name_that_is_taken_is_a_value_error() -> None:
    with pytest.raises(NameNotValid):
        make().add_column("b", [1, 2])


def test_who_uses_no_tables_does_not_wait_for_their_packages(environ: dict[str, str]) -> None:
    text = "import sys, artfs; artfs.Artifact, artfs.init, artfs.Table(); print({'pyarrow', 'pandas', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", text], env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
