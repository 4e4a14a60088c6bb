"""The objects that an artifact can hold as such, under their public name: `from artfs.data_types import Table`.

They are made in `artfs.client.data_types`; nothing inside artfs imports them from here.
"""

from artfs.client.data_types.partitioned_table import PartitionedTable
from artfs.client.data_types.table import Table

__all__ = ["PartitionedTable", "Table"]
