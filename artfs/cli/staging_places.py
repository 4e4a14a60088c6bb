"""Where the staging directories of an artifact are to be seen: in which running mount, under which path."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from artfs.config import Config
from artfs.errors import TransientError, UserError
from artfs.model.names import ArtifactName
from artfs.mount.control import find_mount, list_mounts
from artfs.mount.mount_info import MountInfo
from artfs.vfs.target import parse_target

STAGING = "staging"
#: A mount may remember for a second that there was no such name.
_VISIBLE_TIMEOUT_S = 10.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class StagingPlace:
    """A staging directory as it is seen in a mount."""

    path: Path
    artifact: ArtifactName

    @property
    def artifact_directory(self) -> Path:
        """Where the versions and aliases of the artifact are."""
        return self.path.parent.parent


def find_artifact_directory(config: Config, artifact: ArtifactName) -> Path:
    """The directory of `artifact` in a running mount that can be written to; UserError when there is none."""
    for mount in list_mounts(config):
        directory = None if mount.read_only else _directory_of(mount, artifact)
        if directory is not None:
            return directory
    raise UserError(f"no writable mount shows {artifact}: mount its project first, with `artfs mount MOUNTPOINT`")


def _directory_of(mount: MountInfo, artifact: ArtifactName) -> Path | None:
    target = parse_target(mount.target, entity=mount.entity, project=mount.project)
    if target.version is not None or (target.entity, target.project) != (artifact.entity, artifact.project):
        return None
    if target.artifact is None:
        return mount.mountpoint / artifact.name
    return mount.mountpoint if target.artifact == artifact else None


def find_staging(path: Path, config: Config) -> StagingPlace:
    """The staging directory that `path` is; UserError when it is none."""
    staging = Path(os.path.abspath(path))  # noqa: PTH100 -- resolving would follow symlinks in the mount
    mount = find_mount(staging, config)
    if mount is None or staging.parent.name != STAGING:
        raise UserError(f"{path} is no staging directory: name one in a mount, as `artfs stage` prints it")
    if not staging.is_dir():
        raise UserError(
            f"{path} is no staging directory: {'it is a file' if staging.exists() else 'there is nothing of that name'}"
        )
    target = parse_target(mount.target, entity=mount.entity, project=mount.project)
    artifact = target.artifact or ArtifactName(target.entity, target.project, staging.parent.parent.name)
    return StagingPlace(staging, artifact)


def wait_until_visible(path: Path) -> None:
    """Return when the mount shows `path`."""
    deadline = time.monotonic() + _VISIBLE_TIMEOUT_S
    while not path.is_dir():
        if time.monotonic() > deadline:
            raise TransientError(f"{path} was made but the mount does not show it: see `artfs status` for its log")
        time.sleep(_POLL_S)
