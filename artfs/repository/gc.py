"""Garbage collection: what no live version needs is deleted, safely beside commits in flight (I4).

    doom       packs that no live version needs: from now on no commit can find their chunks to deduplicate against
    delete     packs that have been doomed for the grace period, and since before the oldest commit in flight began
    sweep      what commits left that failed or died: objects and rows under leases that ended before the grace period

A commit in flight may have found a chunk just before its pack was doomed. It takes the pack back in its transaction; as packs
doomed since the commit began are not deleted while its lease lives, the pack is still there. Each step can be repeated: a gc that
dies is finished by the next one, and several may run at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from artfs.model.entry import lease_of_pack, lease_prefix, pack_key
from artfs.model.records import LeaseRecord
from artfs.repository.repository import Repository

#: How long a pack stays after the last version that needed it was deleted, unless the caller says otherwise.
GRACE_S = 24 * 3600.0
_BATCH = 100
KEPT_NEEDED = "needed by live versions"
KEPT_GRACE = "needed by no version, kept for the grace period"
KEPT_IN_FLIGHT = "written by commits that have not ended, or not for the grace period"


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
    `leftovers` objects of commits that never came to an end, under `leases` leases; `kept` says why packs are still there.
    """

    dry_run: bool
    doomed: PackTotal = field(default_factory=PackTotal)
    deleted: PackTotal = field(default_factory=PackTotal)
    leftovers: PackTotal = field(default_factory=PackTotal)
    leases: int = 0
    kept: dict[str, PackTotal] = field(default_factory=dict)

    def keep(self, why: str, size: int) -> None:
        self.kept.setdefault(why, PackTotal()).add(size)


def collect_garbage(repository: Repository, *, grace_s: float = GRACE_S, dry_run: bool = False) -> GcReport:
    """Delete what has been garbage for `grace_s` seconds, and mark what has become garbage since."""
    report = GcReport(dry_run)
    now = datetime.now(UTC)
    if not dry_run:
        repository.registry.packs.doom_unneeded()
    # Only now: a commit that begins after the dooming finds no chunks in a doomed pack, and one that began before is listed here.
    in_flight = [lease.started_at for lease in repository.registry.leases.list_active()]
    ended_before = datetime.now(UTC) - timedelta(seconds=grace_s)
    doomed_before = min([ended_before, *in_flight])
    _sweep_leases(repository, report, ended_before)
    if not dry_run:
        _delete_doomed(repository, report, doomed_before)
    _count_packs(repository, report, now, doomed_before)
    return report


def _sweep_leases(repository: Repository, report: GcReport, ended_before: datetime) -> None:
    leases = list(repository.registry.leases.list_collectable(ended_before))
    if not report.dry_run:
        for lease in leases:
            # They are over for good: no commit can succeed under them, so only packs that were committed keep their rows (I4).
            repository.registry.packs.drop_uncommitted(lease.id)
    named = _named_packs(repository, leases)
    for lease in leases:
        for info in list(repository.objects.iter_objects(lease_prefix(lease.id))):
            if info.key not in named:
                report.leftovers.add(info.size)
                if not report.dry_run:
                    repository.objects.delete(info.key)
        report.leases += 1
        if not report.dry_run:
            # Last: while the row is there, a gc that dies here is repeated by the next one.
            repository.registry.leases.remove(lease.id)


def _named_packs(repository: Repository, leases: Iterable[LeaseRecord]) -> set[str]:
    """Keys of the packs written under `leases` that have been committed."""
    ids = {lease.id for lease in leases}
    if not ids:
        return set()
    rows = repository.registry.packs.iter_all()
    return {pack_key(pack.id) for pack in rows if pack.committed and lease_of_pack(pack.id) in ids}


def _delete_doomed(repository: Repository, report: GcReport, doomed_before: datetime) -> None:
    # Claimed first, deleted second, forgotten third: a commit that needs a claimed pack is refused instead of left with a hole, and
    # what a gc that died had claimed is claimed again.
    while claimed := repository.registry.packs.claim_doomed(doomed_before, _BATCH):
        for pack in claimed:
            repository.objects.delete(pack_key(pack.id))
            report.deleted.add(pack.size)
        repository.registry.packs.forget([pack.id for pack in claimed])


def _count_packs(repository: Repository, report: GcReport, now: datetime, doomed_before: datetime) -> None:
    needed = repository.registry.packs.needed()
    for pack in repository.registry.packs.iter_all():
        if not pack.committed:
            report.keep(KEPT_IN_FLIGHT, pack.size)
        elif pack.id in needed:
            report.keep(KEPT_NEEDED, pack.size)
        elif report.dry_run and (pack.doomed_at or now) < doomed_before:
            report.deleted.add(pack.size)
        else:
            report.doomed.add(pack.size)
            report.keep(KEPT_GRACE, pack.size)
