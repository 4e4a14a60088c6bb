"""`artfs mount --warm`: the version that is mounted is fetched to the cache by a thread of the daemon, from when the mount answers.

The mount never waits for it and nothing of it harms the mount: what goes wrong is in the log and in status.json. One thread writes
the state, as a whole each time, and any thread reads it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from artfs.errors import ArtfsError
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository
from artfs.repository.warm import warm_version

logger = logging.getLogger(__name__)


class Warming:
    """Warms `version` once it is started, until it is stopped."""

    def __init__(self, repository: Repository, version: VersionRecord) -> None:
        self._repository = repository
        self._version = version
        self._state: Mapping[str, Any] = _state("waiting")
        self._stopped = False

    def state(self) -> Mapping[str, Any]:
        """For status.json: `state` (waiting, fetching, done, failed or stopped), `done`, `total` (bytes), `reason` (of failing)."""
        return self._state

    def start(self) -> None:
        """Begin, in a thread that keeps no process from ending."""
        threading.Thread(target=self._run, name="artfs-mount-warm", daemon=True).start()

    def stop(self) -> None:
        """End with the piece under way. What has come stays in the cache."""
        self._stopped = True

    def _run(self) -> None:
        try:
            warmed = warm_version(self._repository, self._version, on_progress=self._advance)
        except _Stopped:
            self._state = {**self._state, "state": "stopped"}
        except ArtfsError as error:
            self._fail(error)
            if not self._stopped:
                logger.warning("%s is not warm: %s", self._version.qualified_name, error)
        except Exception as error:
            self._fail(error)
            if not self._stopped:  # else the stores were closed below it
                logger.exception("warming %s ended in a way that nobody expected", self._version.qualified_name)
        else:
            self._state = _state("done", warmed.size, warmed.size)
            logger.info("%s is warm: %d bytes, %d of them before", self._version.qualified_name, warmed.size, warmed.size_before)

    def _advance(self, done: int, total: int) -> None:
        if self._stopped:
            raise _Stopped
        self._state = _state("fetching", done, total)

    def _fail(self, error: Exception) -> None:
        self._state = {**self._state, "state": "failed", "reason": str(error) or repr(error)}


class _Stopped(Exception):
    """The mount ends."""


def _state(state: str, done: int = 0, total: int = 0) -> Mapping[str, Any]:
    return {"state": state, "done": done, "total": total, "reason": None}
