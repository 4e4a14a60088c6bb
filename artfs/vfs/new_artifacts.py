"""Artifacts that were made by mkdir(2) and have no version yet.

The type of an artifact is fixed once and for all, and mkdir(2) cannot say it: the registry hears of the artifact at its first
commit, whose options file may name the type. Until then the artifact is a folder in the local staging area, so that it survives
the mount. Any thread.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from artfs.errors import NameNotValid
from artfs.model.names import ArtifactName, check_artifact_name


class NewArtifacts:
    """The folders of the artifacts of one project in the staging area."""

    def __init__(self, staging_dir: Path, entity: str, project: str) -> None:
        self._root = staging_dir / entity / project
        self._entity = entity
        self._project = project

    def has(self, artifact: ArtifactName) -> bool:
        return (self._root / artifact.name).is_dir()

    def list(self) -> list[ArtifactName]:
        """All artifacts that have a folder, those with versions among them."""
        try:
            names = [row.name for row in os.scandir(self._root) if row.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        return [ArtifactName(self._entity, self._project, name) for name in sorted(names) if _is_valid(name)]

    def add(self, artifact: ArtifactName) -> None:
        (self._root / artifact.name).mkdir(parents=True)

    def remove(self, artifact: ArtifactName) -> None:
        """OSError with ENOTEMPTY when something is staged in it."""
        try:
            (self._root / artifact.name).rmdir()
        except FileNotFoundError:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), artifact.name) from None


def _is_valid(name: str) -> bool:
    try:
        check_artifact_name(name)
    except NameNotValid:
        return False
    return True
