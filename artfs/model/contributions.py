"""Contributions: what parallel writers add to one version before it is there, as values.

Writers that name the same artifact and the same distributed id contribute to one set; whoever finishes makes a version of the whole
set. Nobody sees a contribution before that, but it is as durable as a version (I1, I4). All times are aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from artfs.model.entry import ChunkRef, LeaseId, PackId
from artfs.model.names import ArtifactName


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a writer asks of the version that is to be; description None says nothing.

    `overwrite` asks that what was contributed before at the same paths makes place, instead of being in conflict.
    """

    aliases: tuple[str, ...] = ()
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False

    def then(self, later: Wishes) -> Wishes:
        """Both together: all aliases; of description and of each key of the metadata, the later word."""
        return Wishes(
            aliases=tuple(dict.fromkeys((*self.aliases, *later.aliases))),
            description=self.description if later.description is None else later.description,
            metadata={**self.metadata, **later.metadata},
        )


@dataclass(frozen=True, slots=True)
class ContributionDraft:
    """All that becomes a contribution in one transaction.

    `type` None means the type the artifact has. `lease` wrote the packs that are new; `needed_packs` are all packs that the
    contribution needs, those of its manifest and old ones among them.
    """

    artifact: ArtifactName
    type: str | None
    distributed_id: str
    run_id: str
    manifest: ChunkRef
    size: int
    file_count: int
    needed_packs: frozenset[PackId]
    lease: LeaseId
    wishes: Wishes = field(default_factory=Wishes)


@dataclass(frozen=True, slots=True)
class ContributionRecord:
    """One contribution that is not finished. `id` grows with the order of contributions; `manifest` is where its root lies."""

    id: int
    artifact: ArtifactName
    type: str
    distributed_id: str
    run_id: str
    run_name: str
    manifest: ChunkRef
    size: int
    file_count: int
    wishes: Wishes
    created_at: datetime

    @property
    def writer(self) -> str:
        """The run, as people know it."""
        return writer_name(self.run_id, self.run_name)

    @property
    def qualified_name(self) -> str:
        """What messages call it."""
        return f"{self.artifact} (contribution {self.id} of {self.writer} to {self.distributed_id!r})"


@dataclass(frozen=True, slots=True)
class ContributionSet:
    """The contributions of one artifact and distributed id that are not finished.

    `writers` in the order of their first contributions; `size` and `file_count` are sums over all contributions.
    """

    artifact: ArtifactName
    type: str
    distributed_id: str
    writers: tuple[str, ...]
    contributions: int
    size: int
    file_count: int
    first_at: datetime
    last_at: datetime


def writer_name(run_id: str, run_name: str) -> str:
    """A run in a message: by its name, and by its id where that is another, as names need not be unique."""
    return run_name if run_name == run_id else f"{run_name} (run {run_id})"
