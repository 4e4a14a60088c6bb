"""The directories above versions: a project with its artifacts, and an artifact with its versions, aliases and staging directories.

What they show can change at any time and on any machine: names are looked up in the registry (`known_names`), and the kernel may
keep them for a second. Any thread.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable, Sequence

from artfs.errors import NameNotValid, NotFound
from artfs.model.names import ArtifactName, VersionName, check_alias, check_artifact_name, parse_version_label
from artfs.model.records import VersionRecord
from artfs.vfs.attributes import MOVABLE_S, NEVER_S, SYMLINK_MODE, WRITABLE_DIRECTORY_MODE, Attributes
from artfs.vfs.commit_by_rename import commit_by_rename
from artfs.vfs.information import INFORMATION_NAME
from artfs.vfs.naming import move_name, point_alias, remove_alias
from artfs.vfs.node import Listed, Node, os_error
from artfs.vfs.scene import Scene
from artfs.vfs.staged_root import StagingRoot
from artfs.vfs.version_nodes import VersionDirectory
from artfs.vfs.views import nanoseconds

STAGING_NAME = "staging"


class ProjectDirectory(Node):
    """The artifacts of a project; `mkdir` makes a new one, of which the registry hears at its first commit."""

    is_quick = True

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    @property
    def key(self) -> Hashable:
        return ("project",)

    @property
    def missing_timeout_s(self) -> float:
        return MOVABLE_S

    @property
    def where(self) -> str:
        return ""

    def attributes(self) -> Attributes:
        return Attributes(WRITABLE_DIRECTORY_MODE, 0, self._scene.started_ns, MOVABLE_S, MOVABLE_S)

    def lookup(self, name: str) -> Node | None:
        scene = self._scene
        if name == INFORMATION_NAME:
            return scene.mount_information()
        try:
            artifact = scene.artifact(check_artifact_name(name))
        except NameNotValid:
            return None
        collection = scene.names.collection(artifact)
        if collection is not None:
            return ArtifactDirectory(scene, artifact, nanoseconds(collection.created_at))
        if scene.new_artifacts.has(artifact):
            return ArtifactDirectory(scene, artifact, scene.started_ns)
        return None

    def list(self) -> Sequence[Listed]:
        scene = self._scene
        nodes: dict[str, Node] = {INFORMATION_NAME: scene.mount_information()}
        for artifact in scene.new_artifacts.list():
            nodes[artifact.name] = ArtifactDirectory(scene, artifact, scene.started_ns)
        for collection in scene.names.collections(scene.target.entity, scene.target.project):
            name = collection.artifact.name
            nodes[name] = ArtifactDirectory(scene, collection.artifact, nanoseconds(collection.created_at))
        return [Listed(name, node, node.attributes()) for name, node in sorted(nodes.items())]

    def mkdir(self, name: str, mode: int) -> Node:
        artifact = self._scene.artifact(check_artifact_name(name))
        if self.lookup(name) is not None:
            raise os_error(errno.EEXIST, name)
        self._scene.check_writable(name)
        self._scene.new_artifacts.add(artifact)
        return ArtifactDirectory(self._scene, artifact, self._scene.started_ns)

    def rmdir(self, name: str) -> None:
        self._scene.check_writable(name)
        artifact = self._scene.artifact(check_artifact_name(name))
        if self._scene.repository.registry.collections.find(artifact) is not None:
            raise self.refuse_change()
        self._scene.new_artifacts.remove(artifact)


class ArtifactDirectory(Node):
    """An artifact: `v0`, `v1`, …, its aliases, `staging` and `.artfs`."""

    is_quick = True

    def __init__(self, scene: Scene, artifact: ArtifactName, mtime_ns: int) -> None:
        self.scene = scene
        self.artifact = artifact
        self._mtime_ns = mtime_ns

    @property
    def key(self) -> Hashable:
        return ("artifact", self.artifact)

    @property
    def missing_timeout_s(self) -> float:
        return self.scene.views.name_timeout_s(self.artifact)

    @property
    def where(self) -> str:
        return self.scene.where(self.artifact)

    def attributes(self) -> Attributes:
        return Attributes(WRITABLE_DIRECTORY_MODE, 0, self._mtime_ns, MOVABLE_S, MOVABLE_S)

    def lookup(self, name: str) -> Node | None:
        if name == INFORMATION_NAME:
            return self.scene.artifact_information(self.artifact)
        if name == STAGING_NAME:
            return StagingRoot(self.scene, self.artifact)
        version = self.find_version(name)
        return None if version is None else self._version_root(version, name)

    def find_version(self, name: str) -> VersionRecord | None:
        """The version that `name` means now: a label or an alias."""
        if parse_version_label(name) is None:
            try:
                check_alias(name)
            except NameNotValid:
                return None
        try:
            return self.scene.names.version(VersionName(self.artifact, name))
        except NotFound:
            return None

    def _version_root(self, version: VersionRecord, name: str) -> VersionDirectory:
        where = f"{self.where}/{name}".lstrip("/")
        return VersionDirectory(self.scene.reading, self.scene.views.show(version, name, where), "")

    def list(self) -> Sequence[Listed]:
        nodes: dict[str, Node] = {
            INFORMATION_NAME: self.scene.artifact_information(self.artifact),
            STAGING_NAME: StagingRoot(self.scene, self.artifact),
        }
        try:
            versions = self.scene.names.versions(self.artifact)
        except NotFound:  # nothing was committed yet
            versions = []
        for version in reversed(versions):
            for name in (version.label, *version.aliases):
                nodes[name] = self._version_root(version, name)
        return [Listed(name, node, node.attributes()) for name, node in nodes.items()]

    def symlink(self, name: str, target: str) -> tuple[Node, Attributes]:
        """`ln -s v3 best` makes an alias. What symlink(2) returns must be a symlink: the next lookup finds the directory."""
        version = point_alias(self, name, target)
        link = AliasReceipt(f"{self.where}/{name}", target)
        return link, Attributes(SYMLINK_MODE, len(os.fsencode(target)), nanoseconds(version.created_at), NEVER_S, NEVER_S)

    def rmdir(self, name: str) -> None:
        """`rmdir best` takes the alias away."""
        remove_alias(self, name)

    def rename_to(self, name: str, new_parent: Node, new_name: str, flags: int) -> None:
        """`mv -T tmp best` renames an alias onto another."""
        if not isinstance(new_parent, ArtifactDirectory) or new_parent.artifact != self.artifact:
            raise os_error(errno.EXDEV, new_name)
        move_name(self, name, new_name, flags)

    def commit_here(self, artifact: ArtifactName, staging: str, new_name: str, flags: int) -> None:
        """`mv staging/NAME best` makes a version."""
        if artifact != self.artifact:
            raise os_error(errno.EXDEV, new_name)
        commit_by_rename(self, staging, new_name, flags)

    def unlink(self, name: str) -> None:
        # The kernel may still think that the alias just made is a symlink.
        remove_alias(self, name)


class AliasReceipt(Node):
    """The symlink that symlink(2) is answered with. Nobody looks at it twice."""

    __slots__ = ("_target", "_where")

    def __init__(self, where: str, target: str) -> None:
        self._where = where
        self._target = target

    @property
    def key(self) -> Hashable:
        return ("receipt", id(self))

    @property
    def where(self) -> str:
        return self._where

    def attributes(self) -> Attributes:
        return Attributes(SYMLINK_MODE, len(os.fsencode(self._target)), 0, NEVER_S, NEVER_S)

    def readlink(self) -> str:
        return self._target
