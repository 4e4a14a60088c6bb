"""Short ways to tables in files, for tests."""

from __future__ import annotations

import io

from artfs.client.data_types.stored_table import StoredTable
from artfs.client.data_types.table import Table


def read_back(data: bytes | memoryview) -> Table:
    """The table in the bytes of a file."""
    return Table.from_stored(StoredTable(io.BytesIO(data), "'one'"))


def round_trip(table: Table) -> Table:
    return read_back(table.encode())
