"""`PartitionedTable`: all tables below one folder of an artifact, read as one.

What is stored is the folder's name, so that the runs that write the parts need not know of each other:

    {"format": 1, "kind": "partitioned-table", "parts_path": "parts"}

with keys in this order, and a newline at the end. The parts are opened one after the other, when their turn comes. For one thread
at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import islice
from typing import Any, Protocol

from artfs.client.data_types.column_type import ColumnType, merge
from artfs.client.data_types.frames import import_pandas
from artfs.client.data_types.stored_table import StoredTable
from artfs.client.data_types.table import Table
from artfs.client.data_types.table_display import SHOWN_ROWS, format_columns, format_table_html
from artfs.errors import ArtfsError, IntegrityError, NotFound, UserError
from artfs.model.counted import counted
from artfs.model.entry import Entry, Kind
from artfs.model.names import normalise_path

_FORMAT = 1
_KIND = "partitioned-table"
#: The longest path with all its characters escaped takes less.
MOST_BYTES = 32 << 10
_PART_SUFFIX = ".parquet"


class Files(Protocol):
    """The files of a version or a draft, as far as objects in it need them."""

    @property
    def name(self) -> str:
        """What the artifact is called in errors."""
        ...

    def find(self, path: str) -> Entry | None:
        """What is at a path, of any kind."""
        ...

    def below(self, path: str) -> Sequence[Entry]:
        """All files and references below a directory, in any order."""
        ...

    def open(self, entry: Entry) -> Any:
        """The file, to be read at any place."""
        ...


class PartitionedTable:
    """The tables below `parts_path`, in natural order (`table_2` before `table_10`), as one table.

    Every Parquet file below that folder is a part; the parts must have the same columns. One that was just made has none: add it to
    an artifact, beside the parts or before them, and get it from there.

        artifact.add(artfs.data_types.PartitionedTable("parts"), "all")
        ...
        for index, row in run.use_artifact("results:latest").get("all").iterrows():
            ...

    Reading raises NotFound (a LookupError and ValueError) if the artifact has no such folder, UserError (a ValueError) that names
    two parts if their columns differ, IntegrityError if one is damaged.
    """

    def __init__(self, parts_path: str) -> None:
        self._parts_path = normalise_path(parts_path)
        self._files: Files | None = None

    @property
    def parts_path(self) -> str:
        """The folder of the parts."""
        return self._parts_path

    @property
    def parts(self) -> list[str]:
        """The paths of the parts, in order."""
        return [entry.path for entry in self._entries()]

    @property
    def columns(self) -> list[str]:
        """The names of the columns: those of the first part; none where there are no parts."""
        return next((part.columns for part in self._iter_parts()), [])

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """The rows of all parts, as (index, row), the index counting on from part to part. Few of them are in memory at once."""
        return enumerate(row for part in self._iter_parts() for row in part.iter_rows())

    def to_pandas(self) -> Any:
        """All rows in one DataFrame. Raises NotInstalled without pandas."""
        pandas = import_pandas()
        frames = [Table.from_stored(part).to_pandas() for part in self._iter_parts()]
        return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()

    def get_dataframe(self) -> Any:
        """The same as `to_pandas`."""
        return self.to_pandas()

    def __len__(self) -> int:
        """The number of rows; reads the end of each part."""
        return sum(part.row_count for part in self._iter_parts())

    def __bool__(self) -> bool:
        return True  # to ask whether there is a table must not read all its parts

    def __eq__(self, other: object) -> bool:
        return self._parts_path == other._parts_path if isinstance(other, PartitionedTable) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._parts_path)

    def __repr__(self) -> str:
        return f"<PartitionedTable: parts below {self._parts_path!r}>"

    def _repr_html_(self) -> str:
        if self._files is None:
            return f"<div>{escape(repr(self))}</div>"
        try:
            notes = [f"{counted(len(self.parts), 'part')} below {self._parts_path}"]
            rows = [row for _, row in islice(self.iterrows(), SHOWN_ROWS)]
            return format_table_html(self.columns, rows, len(self), notes)
        except ArtfsError as error:  # a notebook shows what is wrong, too
            return f"<div>{escape(repr(self))}</div><div>{escape(str(error))}</div>"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": None}  # the artifact stays behind when it goes to another process

    def encode(self) -> memoryview:
        """The file to be stored."""
        fields = {"format": _FORMAT, "kind": _KIND, "parts_path": self._parts_path}
        return memoryview(json.dumps(fields, sort_keys=True).encode() + b"\n")

    @classmethod
    def decode(cls, data: bytes, files: Files, path: str) -> PartitionedTable:
        """The table of a stored file. Raises IntegrityError where it is none; `path` is said in the error."""
        try:
            fields = json.loads(data)
            if fields["kind"] != _KIND or not isinstance(fields["format"], int):
                raise ValueError("it does not say that it is one")
            if fields["format"] > _FORMAT:
                raise ValueError("it was written by a newer artfs: upgrade to read it")
            table = cls(fields["parts_path"])
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0][:200]
            raise IntegrityError(f"{path!r} of {files.name} is not a partitioned table that can be read: {reason}") from error
        table._files = files
        return table

    def _entries(self) -> list[Entry]:
        files = self._source()
        folder = files.find(self._parts_path)
        if folder is not None and folder.kind is not Kind.DIRECTORY:
            raise NotFound(f"{self._parts_path!r} of {files.name} is a file: the parts of a partitioned table lie in a folder")
        entries = [entry for entry in files.below(self._parts_path) if entry.path.endswith(_PART_SUFFIX)]
        if folder is None and not entries:
            raise NotFound(
                f"{files.name} has no folder {self._parts_path!r} with the parts of a table: add them with "
                f"artifact.add(table, '{self._parts_path}/NAME')"
            )
        return sorted(entries, key=lambda entry: _natural(entry.path))

    def _iter_parts(self) -> Iterator[StoredTable]:
        """The parts, opened one after the other, each looked at whether it goes with those before."""
        files = self._source()
        first: StoredTable | None = None
        types: list[ColumnType] = []
        for entry in self._entries():
            part = StoredTable(files.open(entry), f"{entry.path!r} of {files.name}")
            if first is None:
                first, types = part, part.types
            if part.columns != first.columns:
                raise UserError(
                    f"the parts of a table must have the same columns: {first.name} has {format_columns(first.columns)}, and "
                    f"{part.name} has {format_columns(part.columns)}"
                )
            types = [merge(one, other) for one, other in zip(types, part.types, strict=True)]
            for column, kind, own, known in zip(part.columns, types, part.types, first.types, strict=True):
                if kind.obstacle and not (own.obstacle or known.obstacle):
                    raise UserError(
                        f"the parts of a table must have the same types: the column {column!r} is {known} in {first.name}, and "
                        f"{own} in {part.name}"
                    )
            yield part

    def _source(self) -> Files:
        if self._files is None:
            raise UserError(
                f"this PartitionedTable says that its parts are below {self._parts_path!r}, and not in which artifact: add it to "
                "one, and get it from there"
            )
        return self._files


def _natural(path: str) -> tuple[list[tuple[int, int, str]], str]:
    """Numbers in names by their value; the path itself where they are equal, as in `1` and `01`."""
    pieces = re.findall(r"([0-9]+)|([^0-9]+)", path)
    return [(0, int(digits), "") if digits else (1, 0, text) for digits, text in pieces], path
