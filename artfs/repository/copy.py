"""Copies of artifacts and projects from one repository into another, or to another name of the same.

    plan_copy        what is missing, and what is in the way; changes nothing
    copy_planned     for each artifact: every missing version, then its aliases, then the runs and lineage of its versions

A version is the same at the destination: number, digest, notes, time. It comes with one registry transaction, when its packs are
durable (I1), so that nobody ever sees half of one, and a copy that was interrupted goes on with the first that is missing. What an
interrupted copy of a version had sent is kept for the next one to find (`LeasedIngest.pause`).

One call runs in one thread; what is copied is read by several.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from artfs.content.manifest_writer import WrittenManifest
from artfs.content.manifests import Manifest
from artfs.errors import ArtfsError, Conflict, PackMissing, UserError
from artfs.model.names import ArtifactName
from artfs.model.progress import OnShareDone
from artfs.model.records import AliasMoves, VersionImport, VersionRecord
from artfs.repository.copy_chunks import REMOTE_THREADS, CopyTotals
from artfs.repository.copy_lineage import LineageCopy, copy_lineage
from artfs.repository.copy_plan import ArtifactPlan, plan_artifact
from artfs.repository.copy_version import Common, DoomedToo, VersionCopier
from artfs.repository.leased_ingest import LeasedIngest, begin_ingest
from artfs.repository.repository import Repository

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What is to be copied; `conflicts` says why an artifact cannot be, in a sentence for each."""

    artifacts: Sequence[ArtifactPlan]
    conflicts: Mapping[ArtifactName, ArtfsError]


@dataclass(frozen=True, slots=True)
class ArtifactCopy:
    """What was done for one artifact."""

    plan: ArtifactPlan
    copied: Sequence[VersionRecord]
    aliases: AliasMoves


@dataclass(slots=True)
class CopyReport:
    """What a copy came to. Bytes are stored ones: sent to the destination, and found there."""

    artifacts: list[ArtifactCopy] = field(default_factory=list)
    lineage: LineageCopy = field(default_factory=LineageCopy)
    bytes_sent: int = 0
    bytes_found: int = 0


def plan_copy(source: Repository, destination: Repository, names: Mapping[ArtifactName, ArtifactName]) -> CopyPlan:
    """What copying each artifact of `source` as another one, or the same, of `destination` means.

    Raises NotFound when there is no such artifact, UserError when one would be copied to itself.
    """
    plans: list[ArtifactPlan] = []
    conflicts: dict[ArtifactName, ArtfsError] = {}
    is_same = source.config.registry == destination.config.registry
    for name, target in names.items():
        if is_same and name == target:
            raise UserError(f"{name} cannot be copied to itself: name another place, project or artifact as the destination")
        try:
            plans.append(plan_artifact(source.registry, name, destination.registry, target))
        except (Conflict, UserError) as error:
            conflicts[name] = error
    return CopyPlan(plans, conflicts)


def copy_planned(
    source: Repository,
    destination: Repository,
    artifacts: Iterable[ArtifactPlan],
    *,
    force: bool = False,
    on_progress: OnShareDone | None = None,
) -> CopyReport:
    """Do what was planned. Raises Conflict when somebody at the destination was faster; what was copied before stays.

    An alias that stands on a version of the destination's own is left there, unless `force` is given. `on_progress` is told the
    bytes of files that are at the destination, and how many there will be.
    """
    planned = list(artifacts)
    report, totals = CopyReport(), CopyTotals()
    size = sum(version.size for plan in planned for version in plan.missing)

    def progress() -> None:
        if on_progress is not None:
            on_progress(totals.bytes_done, size)

    is_far = source.objects.is_remote or destination.objects.is_remote
    threads = REMOTE_THREADS if is_far else len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads, thread_name_prefix="artfs-copy") as executor:
        copier = VersionCopier(source, executor, totals, progress)
        for plan in planned:
            report.artifacts.append(_ArtifactCopier(source, destination, plan, copier, report).copy(force=force))
    report.bytes_found = totals.bytes_found
    report.lineage = copy_lineage(source.registry, destination.registry, planned)
    return report


class _ArtifactCopier:
    """Copies the versions of one artifact, one after the other."""

    def __init__(
        self, source: Repository, destination: Repository, plan: ArtifactPlan, copier: VersionCopier, report: CopyReport
    ) -> None:
        self._source = source
        self._destination = destination
        self._plan = plan
        self._copier = copier
        self._report = report
        #: The last version that both sides have, and how to open its manifest at the destination.
        self._before: tuple[VersionRecord, Callable[[], Manifest]] | None = None

    def copy(self, *, force: bool) -> ArtifactCopy:
        plan, registry = self._plan, self._destination.registry
        registry.collections.ensure(plan.target, plan.type)
        there = {version.number: version for version in registry.versions.list(plan.target)}
        missing = {version.number for version in plan.missing}
        copied: list[VersionRecord] = []
        for version in sorted((*plan.present, *plan.missing), key=lambda version: version.number):
            if version.number in missing:
                if self._copy_version(version):
                    copied.append(version)
            elif version.number in there:
                self._before = version, partial(self._destination.manifest, there[version.number])
        moves = registry.imports.place_aliases(plan.target, plan.aliases, among=plan.common, force=force)
        return ArtifactCopy(plan, copied, moves)

    def _copy_version(self, version: VersionRecord) -> bool:
        try:
            common = None if self._before is None else (self._source.manifest(self._before[0]), self._before[1]())
            return self._try_to_copy(version, common)
        except (Conflict, PackMissing) as error:
            # The machine slept for longer than a lease, a version with which this one has packs in common is gone or was moved, or
            # a repack has moved this one at the source. What was sent is found again. Anything else fails the second time as well.
            logger.info("copying %s once more: %s", version.qualified_name, error)
            now = self._source.registry.versions.get(version.id)
            return self._try_to_copy(replace(version, manifest=now.manifest), None)

    def _try_to_copy(self, version: VersionRecord, common: Common | None) -> bool:
        packs = DoomedToo(self._destination.registry.packs)
        ingest = begin_ingest(self._destination, self._plan.target.entity, packs)
        try:
            written = self._copier.copy(version, ingest, common)
            ingest.finish()
        except BaseException:
            ingest.pause()
            raise
        finally:
            self._report.bytes_sent += ingest.stored_bytes
        with ingest.given_to_registry():
            is_new = self._destination.registry.imports.add_version(_as_import(self._plan, version, written, ingest))
        if is_new:
            self._before = version, partial(self._destination.manifests.open, written.root)
        return is_new


def _as_import(plan: ArtifactPlan, version: VersionRecord, written: WrittenManifest, ingest: LeasedIngest) -> VersionImport:
    return VersionImport(
        artifact=plan.target,
        type=plan.type,
        number=version.number,
        next_number=plan.next_number,
        digest=version.digest,
        manifest=written.root,
        size=written.size,
        file_count=written.file_count,
        description=version.description,
        metadata=version.metadata,
        created_at=version.created_at,
        needed_packs=written.needed_packs,
        lease=ingest.lease,
    )
