"""What keeps a pack: who needs it and who wrote it, as values. All times are aware datetimes in UTC."""

from __future__ import annotations

from dataclasses import dataclass

from artfs.model.records import LeaseRecord, PackRecord


@dataclass(frozen=True, slots=True)
class Needing:
    """Those that need a pack: how many, and the names of the first few."""

    count: int = 0
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackUse:
    """A pack, and all that gc asks about it (I4).

    `versions` are live versions, `contributions` those that are not finished. `lease` wrote it; None when gc has cleaned up behind
    that, as it has behind every commit of long ago. `deleting` says that gc has begun to delete it.
    """

    pack: PackRecord
    entity: str
    deleting: bool
    versions: Needing
    contributions: Needing
    lease: LeaseRecord | None
