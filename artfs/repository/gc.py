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

from datetime import datetime, timedelta

from artfs.model.entry import lease_prefix, pack_key
from artfs.repository.binding import ensure_bound
from artfs.repository.gc_report import KEPT_GRACE, Fate, GcReport, Rules
from artfs.repository.repository import Repository

#: How long a pack stays after the last version that needed it was deleted, unless the caller says otherwise.
GRACE_S = 24 * 3600.0
#: How long contributions wait for their finish after the last one, unless the caller says otherwise.
ABANDONED_S = 7 * 24 * 3600.0
_BATCH = 100


def collect_garbage(
    repository: Repository,
    *,
    grace_s: float = GRACE_S,
    abandoned_s: float = ABANDONED_S,
    dry_run: bool = False,
    explain: bool = False,
) -> GcReport:
    """Delete what has been garbage for `grace_s` seconds, and mark what has become garbage since.

    Contributions that are not finished become garbage, set by set, when none was added for `abandoned_s` seconds. With `explain`
    the report says of each pack what keeps it, one of them at a time in memory otherwise.
    """
    ensure_bound(repository, dry_run=dry_run)
    registry = repository.registry
    report = GcReport(dry_run)
    _give_up_abandoned(repository, report, abandoned_s)
    if not dry_run:
        registry.packs.doom_unneeded()
    # Only now: a commit that begins after the dooming finds no chunks in a doomed pack, and one that began before is listed here.
    in_flight = tuple(registry.leases.list_active())
    # All times are the registry's: this host's clock may be hours off, and would make the grace period so much shorter (I4).
    rules = Rules(registry.now(), timedelta(seconds=grace_s), in_flight)
    _sweep_leases(repository, report, rules.ended_before)
    if not dry_run:
        _delete_doomed(repository, report, rules.doomed_before)
    _judge_packs(repository, report, rules, explain=explain)
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
    # Packs that were committed are those of versions, and go when these do.
    named = {pack_key(pack) for pack in repository.registry.packs.committed_under(lease.id for lease in leases)}
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


def _delete_doomed(repository: Repository, report: GcReport, doomed_before: datetime) -> None:
    # Claimed first, deleted second, forgotten third: a commit that needs a claimed pack is refused instead of left with a hole, and
    # what a gc that died had claimed is claimed again.
    while claimed := repository.registry.packs.claim_doomed(doomed_before, _BATCH):
        for pack in claimed:
            repository.objects.delete(pack_key(pack.id))
            report.deleted.add(pack.size)
        repository.registry.packs.forget([pack.id for pack in claimed])


def _judge_packs(repository: Repository, report: GcReport, rules: Rules, *, explain: bool) -> None:
    for use in repository.registry.packs.iter_uses(ignored=_given_up(repository, report)):
        judgement = rules.judge(use)
        if explain:
            report.packs.append(judgement)
        size = use.pack.size
        if judgement.fate is Fate.DELETED and report.dry_run:
            report.deleted.add(size)
        elif judgement.fate in (Fate.DOOMED, Fate.DELETED):
            report.doomed.add(size)
            report.keep(judgement.why if judgement.fate is Fate.DOOMED else KEPT_GRACE, size)
        elif judgement.fate is Fate.KEPT:
            report.keep(judgement.why, size)


def _given_up(repository: Repository, report: GcReport) -> list[int]:
    """The contributions that a dry run has not given up, and that count as if it had."""
    if not (report.dry_run and report.abandoned):
        return []
    sets = {(found.artifact, found.distributed_id) for found in report.abandoned}
    return [
        record.id for record in repository.registry.contributions.list_all() if (record.artifact, record.distributed_id) in sets
    ]
