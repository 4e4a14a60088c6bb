"""Garbage collection: what no live version needs is deleted, safely beside commits in flight (I4).

    give up    contributions of parallel runs that nobody has finished, a set as a whole, when nobody has added to it for long
    doom       packs that no live version or contribution needs: from now on no commit can find their chunks
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

from artfs.model.contributions import ContributionSet
from artfs.model.entry import PackId, lease_of_pack, lease_prefix, pack_key
from artfs.model.records import LeaseRecord
from artfs.repository.repository import Repository

#: How long a pack stays after the last version that needed it was deleted, unless the caller says otherwise.
GRACE_S = 24 * 3600.0
#: How long contributions wait for their finish after the last one, unless the caller says otherwise.
ABANDONED_S = 7 * 24 * 3600.0
_BATCH = 100
KEPT_NEEDED = "needed by live versions"
KEPT_UNFINISHED = "needed by contributions that are not finished"
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
    `leftovers` objects of commits that never came to an end, under `leases` leases; `abandoned` are the sets of contributions that
    were given up; `kept` says why packs are still there.
    """

    dry_run: bool
    doomed: PackTotal = field(default_factory=PackTotal)
    deleted: PackTotal = field(default_factory=PackTotal)
    leftovers: PackTotal = field(default_factory=PackTotal)
    leases: int = 0
    abandoned: list[ContributionSet] = field(default_factory=list)
    kept: dict[str, PackTotal] = field(default_factory=dict)

    def keep(self, why: str, size: int) -> None:
        self.kept.setdefault(why, PackTotal()).add(size)


def collect_garbage(
    repository: Repository, *, grace_s: float = GRACE_S, abandoned_s: float = ABANDONED_S, dry_run: bool = False
) -> GcReport:
    """Delete what has been garbage for `grace_s` seconds, and mark what has become garbage since.

    Contributions that are not finished become garbage, set by set, when none was added for `abandoned_s` seconds.
    """
    report = GcReport(dry_run)
    now = datetime.now(UTC)
    _give_up_abandoned(repository, report, abandoned_s)
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


def _give_up_abandoned(repository: Repository, report: GcReport, abandoned_s: float) -> None:
    contributions = repository.registry.contributions
    idle = contributions.list_sets(idle_s=abandoned_s)
    if not report.dry_run:
        # Looked at again, each under its lock: it may have been finished, or added to.
        gone = [contributions.give_up(found.artifact, found.distributed_id, idle_s=abandoned_s) for found in idle]
        idle = [found for found in gone if found is not None]
    report.abandoned += idle


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
    needed = repository.registry.packs.needed_by_versions()
    unfinished = _needed_by_contributions(repository, report)
    for pack in repository.registry.packs.iter_all():
        if not pack.committed:
            report.keep(KEPT_IN_FLIGHT, pack.size)
        elif pack.id in needed:
            report.keep(KEPT_NEEDED, pack.size)
        elif pack.id in unfinished:
            report.keep(KEPT_UNFINISHED, pack.size)
        elif report.dry_run and (pack.doomed_at or now) < doomed_before:
            report.deleted.add(pack.size)
        else:
            report.doomed.add(pack.size)
            report.keep(KEPT_GRACE, pack.size)


def _needed_by_contributions(repository: Repository, report: GcReport) -> frozenset[PackId]:
    """The packs of what is not finished, in a dry run without those that would be given up."""
    given_up = {(found.artifact, found.distributed_id) for found in report.abandoned} if report.dry_run else set()
    contributions = repository.registry.contributions
    kept = [record.id for record in contributions.list_all() if (record.artifact, record.distributed_id) not in given_up]
    return contributions.needed_packs(kept)
