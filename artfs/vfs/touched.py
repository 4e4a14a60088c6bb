"""Lineage from real use: the versions whose files a run opens through the mount become inputs of that run.

Files of equal content share an inode, so that an open does not say through which version it came. Each version in which this mount
has shown the file counts then: with one version mounted, as a run does, that is exact.

Any thread. `seen` and `versions_to_record` are quick; `record` asks the registry.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable

from artfs.errors import ArtfsError
from artfs.model.records import Direction, VersionRecord
from artfs.repository.repository import Repository

logger = logging.getLogger(__name__)


class TouchedVersions:
    """What the run of this mount has touched. Does nothing without a run."""

    def __init__(self, repository: Repository, run_id: str | None) -> None:
        self._repository = repository
        self.run_id = run_id
        self._lock = threading.Lock()
        self._shown: dict[Hashable, tuple[int, ...]] = {}
        self._recorded: set[int] = set()

    def seen(self, key: Hashable, version: VersionRecord) -> None:
        """The file with that key was shown in `version`."""
        if self.run_id is None:
            return
        with self._lock:
            shown = self._shown.get(key, ())
            if version.id not in shown:
                self._shown[key] = (*shown, version.id)

    def versions_to_record(self, key: Hashable) -> list[int]:
        """The versions that an open of that file touches and that are not recorded yet."""
        if self.run_id is None:
            return []
        with self._lock:
            return [version for version in self._shown.get(key, ()) if version not in self._recorded]

    def record(self, versions: list[int]) -> None:
        """Make them inputs of the run. A failure is logged and tried again at the next open: reading goes on."""
        if self.run_id is None:
            return
        try:
            for version in versions:
                self._repository.registry.lineage.add(self.run_id, version, Direction.INPUT)
                with self._lock:
                    self._recorded.add(version)
        except ArtfsError as error:
            logger.warning("could not record what run %s has read: %s", self.run_id, error)
