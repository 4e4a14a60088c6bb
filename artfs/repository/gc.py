"""Garbage collection: what no live version needs is deleted, safely beside commits in flight (I4).

    give up    contributions of parallel runs that nobody has finished, a set as a whole, when nobody has added to it for long
    doom       packs that no live version or contribution needs: from now on no commit can find their chunks
    delete     packs that have been doomed for the grace period, and since before the oldest commit in flight began
    sweep      what commits left that failed or died: objects and rows under leases that ended before the grace period

A commit in flight may have found a chunk just before its pack was doomed. It takes the pack back in its transaction; as packs
doomed since the commit began are not deleted while its lease lives, the pack is still there. Each step can be repeated: a gc that
dies is finished by the next one, and several may run at once.

The registry is asked with a few statements for each hundred leases and packs, and memory is for as many, but for what is doomed at
once. One call runs in one thread; a remote store is asked by several.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime, timedelta

from artfs.content.pipeline import InlineExecutor
from artfs.model.entry import LeaseId, lease_prefix, pack_key
from artfs.repository.binding import ensure_bound
from artfs.repository.gc_report import KEPT_GRACE, Fate, GcReport, Rules
from artfs.repository.repository import Repository

#: How long a pack stays after the last version that needed it was deleted, unless the caller says otherwise.
GRACE_S = 24 * 3600.0
#: How long contributions wait for their finish after the last one, unless the caller says otherwise.
ABANDONED_S = 7 * 24 * 3600.0
#: Packs, or leases, that are dealt with together.
_BATCH = 100
#: Requests to a remote store under way at once.
_REMOTE_THREADS = 16


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
    # All times are the registry's: this host's clock may be hours off, and would make the grace period so much shorter (I4).
    now = registry.now()
    # Only after that: who may have found chunks of a pack that was doomed before then is listed here. Who begins later may find
    # what another gc dooms later.
    rules = Rules(now, timedelta(seconds=grace_s), tuple(registry.leases.list_active()))
    # One after the other, deleting from a bucket takes as many round trips.
    with ThreadPoolExecutor(_REMOTE_THREADS, "artfs-gc") if repository.objects.is_remote else InlineExecutor() as pool:
        _sweep_leases(repository, report, rules.ended_before, pool)
        if not dry_run:
            _delete_doomed(repository, report, rules.doomed_before, pool)
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


def _sweep_leases(repository: Repository, report: GcReport, ended_before: datetime, pool: Executor) -> None:
    ids = [lease.id for lease in repository.registry.leases.list_collectable(ended_before)]
    for start in range(0, len(ids), _BATCH):
        _sweep(repository, report, ids[start : start + _BATCH], pool)


def _sweep(repository: Repository, report: GcReport, leases: Sequence[LeaseId], pool: Executor) -> None:
    packs = repository.registry.packs
    if not report.dry_run:
        # They are over for good: no commit can succeed under them, so only packs that were committed keep their rows (I4).
        packs.drop_uncommitted(*leases)
    # Packs that were committed are those of versions, and go when these do.
    named = {pack_key(pack) for pack in packs.committed_under(leases)}

    def sweep_one(lease: LeaseId) -> list[int]:
        left = [info for info in repository.objects.iter_objects(lease_prefix(lease)) if info.key not in named]
        if not report.dry_run:
            for info in left:
                repository.objects.delete(info.key)
        return [info.size for info in left]

    for sizes in pool.map(sweep_one, leases):
        for size in sizes:
            report.leftovers.add(size)
    report.leases += len(leases)
    if not report.dry_run:
        # Last: while the rows are there, a gc that dies here is repeated by the next one.
        repository.registry.leases.remove(*leases)


def _delete_doomed(repository: Repository, report: GcReport, doomed_before: datetime, pool: Executor) -> None:
    # Claimed first, deleted second, forgotten third: a commit that needs a claimed pack is refused instead of left with a hole, and
    # what a gc that died had claimed is claimed again.
    while claimed := repository.registry.packs.claim_doomed(doomed_before, _BATCH):
        for _ in pool.map(repository.objects.delete, [pack_key(pack.id) for pack in claimed]):
            pass  # raises what went wrong
        repository.registry.packs.forget([pack.id for pack in claimed])
        for pack in claimed:
            report.deleted.add(pack.size)


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
