"""`Table`: rows and named columns, in memory, to be kept in an artifact.

Every call that adds checks what it is given first: it is taken whole, or the table stays as it was. Rows that a caller changes in
`data` itself are checked when the table is stored. For one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Self

from artfs.client.data_types.column_checks import ColumnRule, check_columns, misfit, same_values
from artfs.client.data_types.column_type import NULL, ColumnType, merge
from artfs.client.data_types.expected_type import expected_types
from artfs.client.data_types.frames import import_numpy, is_frame, values_of
from artfs.client.data_types.parquet import Column, encode_table, to_frame
from artfs.client.data_types.stored_table import StoredTable
from artfs.client.data_types.table_display import SHOWN_ROWS, format_columns, format_table_html, format_table_line
from artfs.client.data_types.values import Refused, name_of, plain_column
from artfs.errors import EntryNotFound, NameNotValid, TypeNotValid, UserError
from artfs.model.counted import counted

_DEFAULT_COLUMNS = ("Input", "Output", "Expected")
_LOG_MODES = ("IMMUTABLE", "MUTABLE", "INCREMENTAL")


class Table:
    """A table, to be added to an artifact and to be got from one.

    - `columns`: names; default `Input`, `Output`, `Expected`, or those of the DataFrame. Numbers become text.
    - `data`: rows, each a sequence of values in the order of the columns; a numpy array of two dimensions; or a DataFrame.
    - `rows`: an older name of `data`.
    - `dataframe`: a pandas DataFrame, without its index. Not together with `data`; `columns` must be its own.
    - `dtype`: the type that the values of all columns, or a list of the types that those of each, must have: bool, int, float, str,
      bytes, datetime, date, time, Decimal, list, dict, or None for any one.
    - `optional`: False refuses None, for all columns or, as a list, for each.
    - `allow_mixed_types`: True lets a column hold values of several types; such a column is stored as JSON text.
    - `log_mode`: checked and kept; without effect, as a table is stored as it is when it is added to an artifact.

    Values are None, bool, int of 64 bits, float, str, bytes, datetime, date, time, Decimal, lists and dicts of these, and what
    numpy and pandas have for them. Int and float together are float. Values of other types that do not go together, None apart, are
    refused with TypeNotValid (a TypeError and a ValueError), rows of another length than the columns with UserError (a ValueError);
    both name the row, counted from 0.

        table = artfs.Table(columns=["image", "label"], data=[["cat.png", "cat"]])
        table.add_data("dog.png", "dog")
        artifact.add(table, "labels")
    """

    def __init__(  # noqa: PLR0917  the order of the parameters is that of the API this one follows
        self,
        columns: Sequence[str | int] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        dtype: Any = None,
        optional: bool | Sequence[bool] = True,
        allow_mixed_types: bool = False,
        log_mode: str | None = "IMMUTABLE",
    ) -> None:
        if log_mode is not None and log_mode not in _LOG_MODES:
            raise UserError(f"log_mode is {log_mode!r}: use one of {', '.join(_LOG_MODES)}")
        given = [name for name, value in (("data", data), ("rows", rows), ("dataframe", dataframe)) if value is not None]
        if len(given) > 1:
            raise UserError(f"{' and '.join(given)} are both rows of the table: give one of them")
        source = next((value for value in (dataframe, data, rows) if value is not None), ())
        if dataframe is not None and not is_frame(dataframe):
            raise TypeNotValid(f"dataframe must be a pandas DataFrame, not {name_of(dataframe)}: pass rows as data=")
        if is_frame(source):
            columns = _frame_columns(source, columns)
        self.log_mode = log_mode
        self._columns = check_columns(_DEFAULT_COLUMNS if columns is None else columns)
        self._rules = _rules(self._columns, dtype, optional, allow_mixed=bool(allow_mixed_types))
        self._types = [rule.start for rule in self._rules]
        self._rows: list[list[Any]] = []
        self._stored: StoredTable | None = None
        if is_frame(source):
            self._add_columns_of(source)
        else:
            self._add_rows(_check_rows(source))

    @classmethod
    def from_pandas(cls, dataframe: Any, **options: Any) -> Self:
        """The table of a DataFrame, without its index; `options` as for the constructor."""
        return cls(dataframe=dataframe, **options)

    @classmethod
    def from_stored(cls, stored: StoredTable) -> Self:
        """The table that a file holds; its rows are read when they are first asked for. For `stored`; scripts call `get()`."""
        table = cls(columns=stored.columns, allow_mixed_types=any(kind.obstacle for kind in stored.types))
        table._types = list(stored.types)
        table._rules = [replace(rule, empty=kind) for rule, kind in zip(table._rules, stored.types, strict=True)]
        table._stored = stored
        return table

    # What is in it

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._columns)

    @property
    def data(self) -> list[list[Any]]:
        """The rows, as lists that may be changed. Of a table from an artifact, they are read now (IntegrityError)."""
        stored = self._stored
        if stored is not None:
            self._rows = stored.read_rows()
            self._stored = None
        return self._rows

    @data.setter
    def data(self, rows: Any) -> None:
        fresh = _check_rows(rows)
        self._rows, self._stored, self._types = [], None, [rule.start for rule in self._rules]
        self._add_rows(fresh)

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """The rows in order, as (index, row). Of a table from an artifact, few of them are in memory at once."""
        return enumerate(self._iter_rows())

    def get_index(self) -> list[int]:
        """The numbers of the rows: 0, 1, …"""
        return list(range(len(self)))

    def get_column(self, name: str | int, convert_to: str | None = None) -> Any:
        """The values of a column as a list, or as an array with `convert_to="numpy"`.

        Raises EntryNotFound (a KeyError), NotInstalled without numpy.
        """
        if convert_to not in {None, "numpy"}:
            raise UserError(f"a column cannot be converted to {convert_to!r}: use 'numpy', or None for a list")
        index = self._find(name)
        values = [row[index] for row in self.data]
        if convert_to is None:
            return values
        return import_numpy().array(values)

    def to_pandas(self) -> Any:
        """A DataFrame, as pandas reads it from the stored file. Raises NotInstalled without pandas or pyarrow."""
        return to_frame(self._columns_to_store())

    def get_dataframe(self) -> Any:
        """The same as `to_pandas`."""
        return self.to_pandas()

    # What is added

    def add_data(self, *data: Any) -> None:
        """Add a row, its values in the order of the columns."""
        self._add_rows([list(data)])

    def add_row(self, *row: Any) -> None:
        """The same as `add_data`."""
        self.add_data(*row)

    def add_column(self, name: str | int, data: Any, optional: bool = False) -> None:
        """Add a column; `data` has a value for each row. `optional` True allows None.

        A table without columns gets its rows with the first one.
        """
        (column,) = check_columns([name])
        if column in self._columns:
            raise NameNotValid(f"the table has a column {column!r} already: choose another name")
        values = _values(data, column)
        rows = self.data if self._columns else [[] for _ in values]
        if len(values) != len(rows):
            raise UserError(
                f"the column {column!r} has {counted(len(values), 'value')}, but the table has {counted(len(rows), 'row')}: "
                "give one for each"
            )
        rule = ColumnRule(column, None, optional=bool(optional), allow_mixed=any(rule.allow_mixed for rule in self._rules))
        plain, kind = self._check(rule, values, NULL, 0)
        for row, value in zip(rows, plain, strict=True):
            row.append(value)
        self._rows = rows
        self._columns.append(column)
        self._rules.append(rule)
        self._types.append(kind)

    def add_computed_columns(self, fn: Callable[[int, dict[str, Any]], Mapping[str, Any]]) -> None:
        """Add what `fn` makes of each row: it is called with the row's number and the row as a dict, and returns new columns so.

        table.add_computed_columns(lambda index, row: {"length": len(row["name"])})
        """
        computed: dict[str, list[Any]] = {}
        for index, row in self.iterrows():
            made = fn(index, dict(zip(self._columns, row, strict=True)))
            if not isinstance(made, Mapping):
                raise TypeNotValid(f"the function gave {type(made).__name__} for row {index}: it must return a dict of new columns")
            if index and set(made) != set(computed):
                raise UserError(
                    f"the function gave other columns for row {index} than for those before: return the same for each row"
                )
            for name, value in made.items():
                computed.setdefault(name, []).append(value)
        taken = [name for name in check_columns(list(computed)) if name in self._columns]
        if taken:
            raise NameNotValid(f"the table has a column {taken[0]!r} already: choose another name")
        trial = Table(columns=list(computed), data=list(zip(*computed.values(), strict=True)), allow_mixed_types=self._allows_mixed)
        for name in trial.columns:
            self.add_column(name, trial.get_column(name), optional=True)

    # How it compares and shows itself

    def __len__(self) -> int:
        return len(self._rows) if self._stored is None else self._stored.row_count

    def __eq__(self, other: object) -> bool:
        """True if columns, their types and all values are equal; not-a-number is equal to itself."""
        if not isinstance(other, Table):
            return NotImplemented
        if self._columns != other._columns or len(self) != len(other):
            return False
        mine, theirs = self._columns_to_store(), other._columns_to_store()
        return all(a.type == b.type and same_values(a.values, b.values) for a, b in zip(mine, theirs, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        return format_table_line("Table", self._columns, len(self))

    def _repr_html_(self) -> str:
        return format_table_html(self._columns, islice(self._iter_rows(), SHOWN_ROWS), len(self))

    def __getstate__(self) -> dict[str, Any]:
        # A file of an artifact stays behind when a table goes to another process: its rows go along.
        return {**self.__dict__, "_rows": self.data, "_stored": None}

    # Behind it

    def encode(self) -> memoryview:
        """The table as a Parquet file: the same columns and rows are the same bytes. Raises NotInstalled without pyarrow."""
        if not self._columns:
            raise UserError("a table without columns cannot be stored: add one")
        return encode_table(self._columns_to_store())

    @property
    def _allows_mixed(self) -> bool:
        return any(rule.allow_mixed for rule in self._rules)

    def _iter_rows(self) -> Iterator[list[Any]]:
        return iter(self._rows) if self._stored is None else self._stored.iter_rows()

    def _columns_to_store(self) -> list[Column]:
        # Once more from the beginning, as callers may have changed the rows.
        rows = self.data
        self._check_lengths(rows, 0)
        columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [() for _ in self._columns]
        stored = []
        for rule, values in zip(self._rules, columns, strict=True):
            plain, kind = self._check(rule, values, rule.start, 0)
            stored.append(Column(rule.name, plain, rule.empty if kind == NULL else kind))
        return stored

    def _add_rows(self, rows: Sequence[Sequence[Any]]) -> None:
        before = self.data
        self._check_lengths(rows, len(before))
        if not rows:
            return
        self._add_plain([list(column) for column in zip(*rows, strict=True)], len(rows))

    def _add_columns_of(self, frame: Any) -> None:
        self._add_plain([values_of(frame.iloc[:, index]) for index in range(len(self._columns))], len(frame))

    def _add_plain(self, columns: list[list[Any]], count: int) -> None:
        checked = [
            self._check(rule, values, kind, len(self._rows))
            for rule, values, kind in zip(self._rules, columns, self._types, strict=True)
        ]
        self._types = [kind for _, kind in checked]
        self._rows += map(list, zip(*(plain for plain, _ in checked), strict=True)) if checked else [[] for _ in range(count)]

    def _check_lengths(self, rows: Sequence[Sequence[Any]], first: int) -> None:
        width = len(self._columns)
        for index, row in enumerate(rows, first):
            if len(row) != width:
                raise UserError(
                    f"row {index} has {counted(len(row), 'value')}, but the table has {counted(width, 'column')} "
                    f"({format_columns(self._columns)}): give one for each"
                )

    @staticmethod
    def _check(rule: ColumnRule, values: Sequence[Any], before: ColumnType, first: int) -> tuple[list[Any], ColumnType]:
        """The values of one column in plain types, and the type of the column with them; `first` is the row of the first."""
        try:
            plain, own = plain_column(values)
        except Refused as refused:
            raise TypeNotValid(f"the column {rule.name!r} cannot hold row {first + refused.index}: {refused.reason}") from None
        rule.check(plain, own, first)
        kind = merge(before, own)
        if kind.obstacle and not rule.allow_mixed:
            raise misfit(rule.name, plain, before, first)
        return plain, kind

    def _find(self, name: str | int) -> int:
        try:
            return self._columns.index(str(name))
        except ValueError:
            raise EntryNotFound(f"the table has no column {name!r}: it has {format_columns(self._columns)}") from None


def _rules(columns: Sequence[str], dtype: Any, optional: bool | Sequence[bool], *, allow_mixed: bool) -> list[ColumnRule]:
    expected = expected_types(dtype, columns)
    allowed = list(optional) if isinstance(optional, (list, tuple)) else [bool(optional)] * len(columns)
    if len(allowed) != len(columns):
        raise UserError(
            f"optional has {counted(len(allowed), 'value')}, but the table has {counted(len(columns), 'column')}: "
            "give one for each, or one"
        )
    return [
        ColumnRule(name, kinds, optional=bool(can), allow_mixed=allow_mixed)
        for name, kinds, can in zip(columns, expected, allowed, strict=True)
    ]


def _frame_columns(frame: Any, columns: Sequence[str | int] | None) -> list[str]:
    own = check_columns(list(frame.columns))
    if columns is not None and check_columns(columns) != own:
        raise UserError(f"the DataFrame has the columns {format_columns(own)}: rename them in it, and leave columns= out")
    return own


def _check_rows(rows: Any) -> list[Sequence[Any]]:
    """The rows as sequences."""
    if hasattr(rows, "columns") and hasattr(rows, "to_pandas"):  # what goes through one of Polars gets its columns, not its rows
        raise TypeNotValid(f"data must be rows, or a DataFrame of pandas, not {name_of(rows)}: pass its to_pandas()")
    if not isinstance(rows, Iterable) or isinstance(rows, (str, bytes, Mapping, set, frozenset)):
        raise TypeNotValid(f"data must be a list of rows, or a DataFrame, not {type(rows).__name__}")
    return [_values(row, None, index) for index, row in enumerate(rows)]


def _values(values: Any, column: str | None, index: int = 0) -> list[Any]:
    if (
        isinstance(values, Iterable)
        and not isinstance(values, (str, bytes, Mapping, set, frozenset))
        and getattr(values, "ndim", 1) != 0
    ):
        return values_of(values) if hasattr(values, "isna") else list(values)
    what = f"row {index}" if column is None else f"the column {column!r}"
    raise TypeNotValid(f"{what} must be a list of values, not {type(values).__name__}")
