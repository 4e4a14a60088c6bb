"""The scene: what all nodes of one mount share.

The repository, what is mounted, where staging lies, what was shown and what went wrong. Nodes hold the scene and nothing else that
is mutable. Any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from artfs.errors import ReadOnly
from artfs.model.names import ArtifactName
from artfs.repository.known_names import KnownNames
from artfs.repository.repository import Repository
from artfs.vfs.information import InformationDirectory
from artfs.vfs.journal import Journal
from artfs.vfs.new_artifacts import NewArtifacts
from artfs.vfs.problems import Problems
from artfs.vfs.reading import ContentReading
from artfs.vfs.reference_counts import ReferenceCounts
from artfs.vfs.staged_trees import StagedTrees
from artfs.vfs.status import MountStatus
from artfs.vfs.target import Target
from artfs.vfs.touched import TouchedVersions
from artfs.vfs.version_information import artifact_information, mount_information
from artfs.vfs.views import Views

#: Told which names of an artifact mean something else from now on.
MovedListener = Callable[[ArtifactName, Iterable[str]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One mount, seen from its nodes."""

    repository: Repository
    target: Target
    status: MountStatus
    touched: TouchedVersions
    staged: StagedTrees
    new_artifacts: NewArtifacts
    views: Views
    read_only: bool = False
    problems: Problems = field(default_factory=Problems)
    journal: Journal = field(default_factory=Journal)
    reference_counts: ReferenceCounts = field(default_factory=ReferenceCounts)
    moved_listeners: list[MovedListener] = field(default_factory=list)
    started_ns: int = field(default_factory=time.time_ns)

    @property
    def names(self) -> KnownNames:
        """What names mean, also while the registry is away."""
        return self.repository.names

    @property
    def reading(self) -> ContentReading:
        return ContentReading(self.repository.reader, self.touched)

    def artifact(self, name: str) -> ArtifactName:
        """The artifact of that name in the mounted project."""
        return ArtifactName(self.target.entity, self.target.project, name)

    def where(self, artifact: ArtifactName) -> str:
        """The path of an artifact below the mount point."""
        return "" if self.target.artifact is not None else artifact.name

    def check_writable(self, name: str) -> None:
        """Raise ReadOnly when the whole mount is."""
        if self.read_only:
            raise ReadOnly(f"{name} cannot be changed: this mount is read-only; mount without --read-only")

    def say_moved(self, artifact: ArtifactName, names: Iterable[str]) -> None:
        """Names of an artifact mean something else now, or nothing any more."""
        self.names.forget(artifact)
        self.tell_moved(artifact, names)

    def tell_moved(self, artifact: ArtifactName, names: Iterable[str]) -> None:
        """The same of names that were asked for anew already."""
        names = list(names)
        for listener in self.moved_listeners:
            listener(artifact, names)

    def mount_information(self) -> InformationDirectory:
        """`/.artfs/`"""
        return mount_information(self.status, self.problems)

    def artifact_information(self, artifact: ArtifactName) -> InformationDirectory:
        """`.artfs/` of an artifact, with the mount's own files where the artifact is all that is mounted."""
        own = artifact_information(self.repository, artifact, self.where(artifact), self.journal, self.reference_counts)
        return own if self.target.artifact is None else own.joined(self.mount_information())
