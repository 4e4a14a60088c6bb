"""Lineage from real use: the versions whose files a run opens through the mount become inputs of that run.

Any thread. `is_new` is quick; `record` asks the registry.
"""

from __future__ import annotations

import logging

from artfs.errors import ArtfsError
from artfs.model.records import Direction, VersionRecord
from artfs.repository.repository import Repository

logger = logging.getLogger(__name__)


class TouchedVersions:
    """What the run of this mount has touched. Does nothing without a run."""

    def __init__(self, repository: Repository, run_id: str | None) -> None:
        self._repository = repository
        self.run_id = run_id
        self._recorded: set[int] = set()

    def is_new(self, version: VersionRecord) -> bool:
        """True if the version is still to be recorded."""
        return self.run_id is not None and version.id not in self._recorded

    def record(self, version: VersionRecord) -> None:
        """Make it an input of the run. A failure is logged and tried again at the next open: reading goes on."""
        if self.run_id is None:
            return
        try:
            self._repository.registry.lineage.add(self.run_id, version.id, Direction.INPUT)
        except ArtfsError as error:
            logger.warning("could not record that run %s has read %s: %s", self.run_id, version.name, error)
        else:
            self._recorded.add(version.id)
