"""Records: what the registry knows, as values. All times are aware datetimes in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, LeaseId, PackId
from artfs.model.names import ArtifactName, format_version_label


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """An artifact collection: all versions of one name. `version_count` counts live versions."""

    id: int
    artifact: ArtifactName
    type: str
    created_at: datetime
    version_count: int


class VersionState(StrEnum):
    """Whether a version can still be had."""

    COMMITTED = "committed"
    #: The row stays as long as lineage mentions it, and so that the number is never given again (I2).
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version. `manifest` is where its manifest's root lies; `aliases` are sorted and never hold `vN`."""

    id: int
    collection_id: int
    artifact: ArtifactName
    type: str
    number: int
    digest: Digest
    manifest: ChunkRef
    size: int
    file_count: int
    description: str | None
    metadata: Mapping[str, Any]
    state: VersionState
    created_at: datetime
    aliases: tuple[str, ...]

    @property
    def label(self) -> str:
        return format_version_label(self.number)

    @property
    def name(self) -> str:
        """`bike-dataset:v3`."""
        return f"{self.artifact.name}:{self.label}"

    @property
    def qualified_name(self) -> str:
        """`entity/project/bike-dataset:v3`."""
        return f"{self.artifact}:{self.label}"


class RunState(StrEnum):
    """How far a run has come, and how it ended."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run (a pipeline step). `id` is unique in the registry and safe in a path; `name` is for people."""

    id: str
    entity: str
    project: str
    name: str
    job_type: str | None
    group: str | None
    config: Mapping[str, Any]
    state: RunState
    created_at: datetime
    finished_at: datetime | None


class Direction(StrEnum):
    """Which way a lineage edge goes: the run uses the version, or has logged it."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class PackRecord:
    """A pack that is durable in the object store.

    `committed` is False while the commit that wrote it is under way: until then only that commit may refer to it. `doomed_at` is
    set from the moment gc has found that no live version needs it (I4).
    """

    id: PackId
    size: int
    created_at: datetime
    committed: bool
    doomed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A commit under way, or ended and not yet looked at by gc. `ended_at` is None while it is under way."""

    id: LeaseId
    entity: str
    holder: str
    started_at: datetime
    expires_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class VersionDraft:
    """All that becomes a version in one transaction (I1).

    `type` None means the type the collection has. `expected_number` insists on a number: the commit fails with AlreadyExists when
    the next one is another. `run_id` becomes a producer. `lease` wrote the packs that are new; `needed_packs` are all packs the
    version needs, old ones among them.
    """

    artifact: ArtifactName
    type: str | None
    digest: Digest
    manifest: ChunkRef
    size: int
    file_count: int
    needed_packs: frozenset[PackId]
    lease: LeaseId
    aliases: tuple[str, ...] = ()
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    expected_number: int | None = None


@dataclass(frozen=True, slots=True)
class CommitOutcome:
    """What a commit came to. `created` is False when the content was a version already (I8).

    `contributions` are how many of parallel writers are in it.
    """

    version: VersionRecord
    created: bool
    contributions: int = 0


@dataclass(frozen=True, slots=True)
class VersionImport:
    """A version of another registry, to become the same version here: number, content, notes and time of creation.

    `next_number` is that of its collection there: new versions here get no lower one, which leaves room for those still to come.
    """

    artifact: ArtifactName
    type: str
    number: int
    next_number: int
    digest: Digest
    manifest: ChunkRef
    size: int
    file_count: int
    description: str | None
    metadata: Mapping[str, Any]
    created_at: datetime
    needed_packs: frozenset[PackId]
    lease: LeaseId


@dataclass(frozen=True, slots=True)
class NumberedVersion:
    """What a number of an artifact stands for, deleted or not."""

    number: int
    digest: Digest
    state: VersionState


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """A run used a version, or has logged it."""

    run_id: str
    artifact: ArtifactName
    number: int
    direction: Direction
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AliasMoves:
    """What became of aliases that were to be placed: those that stand there now and did not before, and those that were left."""

    placed: Mapping[str, int]
    left: Mapping[str, int]
