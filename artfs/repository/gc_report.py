"""What gc says: of each pack whether it is kept, and why (I4). Values, and the one function that judges a pack; asks nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from artfs.model.contributions import ContributionSet
from artfs.model.entry import pack_key
from artfs.model.pack_uses import PackUse
from artfs.model.records import LeaseRecord

KEPT_NEEDED = "needed by live versions"
KEPT_UNFINISHED = "needed by contributions that are not finished"
KEPT_GRACE = "needed by no version, kept for the grace period"
KEPT_FOR_COMMITS = "needed by no version, but a commit that is under way may have found it"
KEPT_IN_FLIGHT = "written by commits that have not ended, or not for the grace period"

#: Longer than it takes from when a pack is doomed until others see that, at the end of the transaction: a commit that began
#: meanwhile may have found it.
_UNSEEN = timedelta(minutes=5)


class Fate(StrEnum):
    """What becomes of a pack. LEFT is one that a commit has written which never came to an end."""

    KEPT = "kept"
    DOOMED = "doomed"
    DELETED = "deleted"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a pack, why, and until when it stays if that is known now. `holder` has the commit that keeps it."""

    use: PackUse
    fate: Fate
    why: str
    until: datetime | None = None
    holder: LeaseRecord | None = None

    @property
    def key(self) -> str:
        return pack_key(self.use.pack.id)


@dataclass(frozen=True, slots=True)
class Rules:
    """What packs are judged by, all on the registry's clock: grace period, and the commits under way, the oldest first."""

    now: datetime
    grace: timedelta
    in_flight: tuple[LeaseRecord, ...]

    @property
    def ended_before(self) -> datetime:
        """Leases that ended before this are cleaned up behind."""
        return self.now - self.grace

    @property
    def doomed_before(self) -> datetime:
        """Packs doomed before this are deleted: for the grace period, and since before the oldest commit under way began."""
        return min([self.ended_before, *(lease.started_at - _UNSEEN for lease in self.in_flight)])

    def judge(self, use: PackUse) -> Judgement:
        """What becomes of a pack in the state that `use` says; one that nothing needs counts as doomed now if it was not before."""
        if not use.pack.committed:
            return self._judge_uncommitted(use)
        if use.versions.count:
            return Judgement(use, Fate.KEPT, KEPT_NEEDED)
        if use.contributions.count:
            return Judgement(use, Fate.KEPT, KEPT_UNFINISHED)
        doomed_at = use.pack.doomed_at or self.now
        # One that is not doomed yet would be in this moment, and with no grace at all deleted in the next.
        is_over = doomed_at < self.doomed_before or (use.pack.doomed_at is None and self.now <= self.doomed_before)
        if use.deleting or is_over:
            return Judgement(use, Fate.DELETED, "needed by no version")
        until = doomed_at + self.grace
        if until >= self.now or not self.in_flight:
            return Judgement(use, Fate.DOOMED, KEPT_GRACE, until=until)
        return Judgement(use, Fate.DOOMED, KEPT_FOR_COMMITS, holder=self.in_flight[0])

    def _judge_uncommitted(self, use: PackUse) -> Judgement:
        lease = use.lease
        if lease is None:
            return Judgement(use, Fate.LEFT, "written by a commit that never came to an end")
        ended_at = lease.ended_at or (lease.expires_at if lease.expires_at <= self.now else None)
        if ended_at is None:
            return Judgement(use, Fate.KEPT, KEPT_IN_FLIGHT, holder=lease)
        if ended_at < self.ended_before:
            return Judgement(use, Fate.LEFT, "written by a commit that never came to an end", holder=lease)
        return Judgement(use, Fate.KEPT, KEPT_IN_FLIGHT, until=ended_at + self.grace, holder=lease)


@dataclass(slots=True)
class PackTotal:
    """How many packs, and their bytes in the store."""

    packs: int = 0
    size: int = 0

    def add(self, size: int) -> None:
        self.packs += 1
        self.size += size


@dataclass(slots=True)
class GcReport:
    """What gc did, or with `dry_run` what it would have done.

    `doomed` are packs that no version needs and that will be deleted once the grace period is over, `deleted` those that were,
    `leftovers` objects of commits that never came to an end, under `leases` leases; `abandoned` are the sets of contributions that
    were given up; `kept` says why packs are still there, and `packs` says it of each, when that was asked for.
    """

    dry_run: bool
    doomed: PackTotal = field(default_factory=PackTotal)
    deleted: PackTotal = field(default_factory=PackTotal)
    leftovers: PackTotal = field(default_factory=PackTotal)
    leases: int = 0
    abandoned: list[ContributionSet] = field(default_factory=list)
    kept: dict[str, PackTotal] = field(default_factory=dict)
    packs: list[Judgement] = field(default_factory=list)

    def keep(self, why: str, size: int) -> None:
        self.kept.setdefault(why, PackTotal()).add(size)
