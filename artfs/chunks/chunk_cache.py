"""What a chunk store asks of a cache on a local disk. `DiskCache` is the one there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from typing_extensions import Buffer

from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef


class ChunkCache(Protocol):
    """Chunks of packs that are far away, kept near by. Safe to delete at any moment.

    A cache never fails a read: what it cannot find, read or keep is as if it were not there, and the cause is logged. All methods
    may be called from any thread, and other processes may use the same cache at the same time.
    """

    def get(self, refs: Sequence[ChunkRef]) -> dict[Digest, bytes]:
        """The plain bytes of those of the chunks that are here, each verified against its digest (I3)."""
        ...

    def put(self, chunks: Sequence[tuple[ChunkRef, Buffer]]) -> None:
        """Keep the chunks, given as they are stored in their packs and verified already, if there is room within the limit (I7).

        The memory is the caller's again when it returns.
        """
        ...
