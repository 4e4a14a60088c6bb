"""From a target to the root node of a mount: where the parts of the file system are put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artfs.repository.repository import Repository
from artfs.vfs.artifact_nodes import ArtifactDirectory, ProjectDirectory
from artfs.vfs.new_artifacts import NewArtifacts
from artfs.vfs.node import Node
from artfs.vfs.scene import Scene
from artfs.vfs.staged_trees import StagedTrees
from artfs.vfs.staging.store import StagingStore
from artfs.vfs.status import MountStatus
from artfs.vfs.target import Target
from artfs.vfs.touched import TouchedVersions
from artfs.vfs.version_root import PinnedVersion
from artfs.vfs.views import Views, nanoseconds


def open_scene(
    repository: Repository,
    target: Target,
    *,
    run_id: str | None = None,
    read_only: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> tuple[Scene, Node]:
    """The scene of a mount of `target`, and its root. Raises NotFound for an artifact or version that is not there."""
    config = repository.config
    config.staging_dir.mkdir(parents=True, exist_ok=True)
    views = Views(repository)
    scene = Scene(
        repository=repository,
        target=target,
        status=MountStatus(repository, facts or {}),
        touched=TouchedVersions(repository, run_id),
        staged=StagedTrees(StagingStore(config.staging_dir, repository), views),
        new_artifacts=NewArtifacts(config.staging_dir, target.entity, target.project),
        views=views,
        read_only=read_only,
    )
    scene.status.gauges["registry"] = scene.names.state
    scene.names.state()  # raises for a registry of another schema, and from now on nobody waits for one that is away
    return scene, _open_root(scene, target)


def _open_root(scene: Scene, target: Target) -> Node:
    if target.version is not None:
        version = scene.names.version(target.version)
        view = scene.views.show(version, target.version.selector, "")
        view.manifest.is_directory("")  # who mounts what cannot be read shall hear it now
        return PinnedVersion(scene, view)
    if target.artifact is not None:
        collection = scene.names.collection(target.artifact)
        if collection is None:
            collection = scene.repository.registry.collections.get(target.artifact)  # which says what there is instead
        return ArtifactDirectory(scene, target.artifact, nanoseconds(collection.created_at))
    return ProjectDirectory(scene)
