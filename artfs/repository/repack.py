"""Repacking: what is in use of packs that are mostly dead moves into new packs, so that gc can delete the old ones.

    plan     packs of which less than the threshold is in use, and the live versions that need one of them
    write    for some versions at a time: their chunks into new packs under a lease, and manifests that name the new places
    move     when all of that is durable (I1), one transaction a version says where its manifest lies now (I2)

The old packs are then needed by nothing, and an ordinary gc dooms and deletes them, no sooner than any others (I4). Readers that
have a version open go on: they find the old packs during the grace period, and ask for the new places afterwards.

Interrupted anywhere, versions are where they were or where they were to go; what was written for others is found by the next
repack, or is garbage. A version that is damaged stays where it is, with all that it may need, and the others are moved.

One call runs in one thread; chunks are read by several.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby

from artfs.content.manifest_writer import WrittenManifest
from artfs.errors import Conflict, IntegrityError, LeaseLost
from artfs.model.entry import LeaseId, PackId
from artfs.model.pack_uses import PackUse
from artfs.model.progress import OnShareDone
from artfs.model.records import VersionRecord
from artfs.repository.copy_chunks import REMOTE_THREADS, CopyTotals
from artfs.repository.leased_ingest import begin_ingest
from artfs.repository.live_bytes import LiveBytes, with_current
from artfs.repository.repack_version import OtherPacks, VersionRepacker
from artfs.repository.repository import Repository
from artfs.repository.survey import without_advice

#: Packs of which a smaller part is in use are moved, unless the caller says otherwise.
THRESHOLD = 0.5
#: Versions are moved together when so many bytes were written for them, so that packs come out full ...
_BATCH_BYTES = 256 << 20
#: ... or so many versions are waiting.
_BATCH = 256


@dataclass(frozen=True, slots=True)
class DamagedVersion:
    """A version that stays where it is, as something of it is damaged or gone: its name, and what."""

    version: str
    what: str


@dataclass(slots=True)
class RepackReport:
    """What a repack came to, or with `dry_run` what it would do.

    `packs` packs of `size` bytes hold `live` bytes that are in use, for `versions` versions. `moved` of these were moved, for which
    `written` bytes were stored; the others were deleted or moved meanwhile, `left` for the next repack, or are `damaged`. Also
    `damaged` are versions of which it is not known what they need: no pack that they may need is among `packs`.
    """

    dry_run: bool
    packs: int = 0
    size: int = 0
    live: int = 0
    versions: int = 0
    moved: int = 0
    left: int = 0
    written: int = 0
    damaged: list[DamagedVersion] = field(default_factory=list)


def repack(
    repository: Repository, *, threshold: float = THRESHOLD, dry_run: bool = False, on_progress: OnShareDone | None = None
) -> RepackReport:
    """Move what is in use out of the packs of which less than `threshold` (0 to 1) is.

    Packs that contributions need which are not finished stay, and those that verify found damaged; damage that nobody had found
    is in the report. Raises LeaseLost when the machine slept for too long: what was moved before stays moved.
    `on_progress` is told the versions that are done, and how many there are.
    """
    live, sparse = _find_sparse(repository, threshold)
    needing = _versions_needing(repository, [use.pack.id for use in sparse])
    report = RepackReport(
        dry_run,
        packs=len(sparse),
        size=sum(use.pack.size for use in sparse),
        live=sum(live.of(use.pack.id) for use in sparse) if live is not None else 0,
        versions=len(needing),
        damaged=[_as_damaged(version, error) for version, error in live.unreadable] if live is not None else [],
    )
    del live  # it may be large, and is not needed any more
    if dry_run or not needing:
        return report
    moving = frozenset(use.pack.id for use in sparse)
    threads = REMOTE_THREADS if repository.objects.is_remote else len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads, thread_name_prefix="artfs-repack") as executor:
        _Repack(repository, moving, executor, report, on_progress).run(needing)
    return report


def _find_sparse(repository: Repository, threshold: float) -> tuple[LiveBytes | None, list[PackUse]]:
    """The packs to be moved, and what is in use of all."""
    uses = [use for use in repository.registry.packs.iter_uses() if _may_move(use)]
    if not uses:
        return None, []
    live = LiveBytes(repository, repository.registry.versions.iter_live())
    # What a damaged manifest names is not known, so none of what its version may need is mostly dead for sure.
    kept = repository.registry.versions.needed_by_each(version.id for version, _ in live.unreadable)
    unsure = frozenset[PackId]().union(*kept.values())
    sparse = [use for use in uses if use.pack.id not in unsure and live.of(use.pack.id) < threshold * use.pack.size]
    # What verify has found damaged or lost stays where it is: no copy of it would be whole, and each repack would fail at it.
    trusted = repository.registry.packs.usable(use.pack.id for use in sparse)
    return live, [use for use in sparse if use.pack.id in trusted]


def _may_move(use: PackUse) -> bool:
    """What no version needs is for gc. What is needed by somebody else than versions would only be stored twice."""
    is_settled = use.pack.committed and not use.deleting
    return is_settled and use.versions.count > 0 and use.contributions.count == 0


def _versions_needing(repository: Repository, packs: Sequence[PackId]) -> list[VersionRecord]:
    """The live versions that need one of the packs, by entity."""
    needing = frozenset(repository.registry.packs.versions_needing(packs))
    records = [record for record in repository.registry.versions.iter_live() if record.id in needing] if needing else []
    return sorted(records, key=lambda record: record.artifact.entity)


def _as_damaged(version: VersionRecord, error: IntegrityError) -> DamagedVersion:
    return DamagedVersion(version.qualified_name, without_advice(error))


class _Repack:
    """Moves versions out of the packs `moving`, and counts in `report`."""

    def __init__(
        self,
        repository: Repository,
        moving: frozenset[PackId],
        executor: ThreadPoolExecutor,
        report: RepackReport,
        on_progress: OnShareDone | None,
    ) -> None:
        self._repository = repository
        self._index = OtherPacks(repository.registry.packs, moving)
        self._report = report
        self._on_progress = on_progress
        self._done = 0
        self._repacker = VersionRepacker(repository, moving, executor, CopyTotals(), self._tell)

    def run(self, versions: Iterable[VersionRecord]) -> None:
        for entity, group in groupby(versions, key=lambda version: version.artifact.entity):
            remaining = list(group)[::-1]
            while remaining:
                self._move_some(entity, remaining)

    def _move_some(self, entity: str, remaining: list[VersionRecord]) -> None:
        """Take versions off the end of `remaining`, write what they need and move them, all under one lease."""
        ingest = begin_ingest(self._repository, entity, self._index)
        written: list[tuple[VersionRecord, WrittenManifest]] = []

        def write(version: VersionRecord) -> None:
            written.append((version, self._repacker.write(version, ingest)))

        try:
            while remaining and len(written) < _BATCH and ingest.stored_bytes < _BATCH_BYTES:
                version = remaining.pop()
                try:
                    with_current(self._repository, version, write)
                except IntegrityError as error:
                    # Its old packs go on to be needed by it (I4). What was written for it is of use to others, or garbage.
                    self._report.damaged.append(_as_damaged(version, error))
                self._done += 1
                self._tell()
            # All that is named below is durable, and in the registry, before it is named (I1).
            ingest.finish()
            for version, manifest in written:
                self._move(version, manifest, ingest.lease)
        finally:
            self._report.written += ingest.stored_bytes
            # Not aborted: versions need what was stored by now, and what they do not need is found by the next repack.
            ingest.pause()

    def _move(self, version: VersionRecord, to: WrittenManifest, lease: LeaseId) -> None:
        move = self._repository.registry.versions.move
        try:
            self._report.moved += move(version.id, version.manifest, to.root, needed=to.needed_packs, lease=lease)
        except LeaseLost:
            raise
        except Conflict:
            # It was to share a chunk with others whose pack has just been collected: it stays where it is.
            self._report.left += 1

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._done, self._report.versions)
