"""Which objects lie in an artifact under which paths, and back.

| object | path |
|---|---|
| Table | `NAME.table.parquet` |
| PartitionedTable | `NAME.partitioned-table.json` |
"""

from __future__ import annotations

from artfs.client.data_types.partitioned_table import MOST_BYTES, Files, PartitionedTable
from artfs.client.data_types.stored_table import StoredTable
from artfs.client.data_types.table import Table
from artfs.errors import IntegrityError, TypeNotValid
from artfs.model.entry import Entry, Kind
from artfs.model.names import normalise_path

_SUFFIXES: dict[type[Table | PartitionedTable], str] = {Table: ".table.parquet", PartitionedTable: ".partitioned-table.json"}


def paths_of(stored: object, name: str) -> tuple[str, list[str]]:
    """The path for an object that is added as `name`, and those at which objects of other types would have that name.

    Raises TypeNotValid (a TypeError) for what no artifact can hold as an object, NameNotValid.
    """
    own = next((suffix for kind, suffix in _SUFFIXES.items() if isinstance(stored, kind)), None)
    if own is None:
        raise TypeNotValid(
            f"an artifact can hold a Table or a PartitionedTable, not {type(stored).__name__}: write it to a file and add that "
            "with add_file() or new_file()"
        )
    stem = normalise_path(name).removesuffix(own)
    return normalise_path(stem + own), [stem + suffix for suffix in _SUFFIXES.values() if suffix != own]


def read_object(files: Files, name: str) -> Table | PartitionedTable | None:
    """The object that was added as `name`, or lies at that path; None if there is none."""
    for kind, suffix in _SUFFIXES.items():
        path = name if name.endswith(suffix) else name + suffix
        entry = files.find(path)
        if entry is not None and entry.kind in {Kind.FILE, Kind.REFERENCE}:
            return _read_table(files, entry) if kind is Table else _read_partitioned(files, entry)
    return None


def _read_table(files: Files, entry: Entry) -> Table:
    return Table.from_stored(StoredTable(files.open(entry), f"{entry.path!r} of {files.name}"))


def _read_partitioned(files: Files, entry: Entry) -> PartitionedTable:
    data = files.open(entry).read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise IntegrityError(f"{entry.path!r} of {files.name} is not a partitioned table: it is longer than one can be")
    return PartitionedTable.decode(data, files, entry.path)
