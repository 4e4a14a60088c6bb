"""What is pinned on this machine follows repacks of other hosts while there is a mount: looked at when it starts, and now and then.

A thread of the daemon. The mount never waits for it, and nothing of it harms the mount: what goes wrong is in the log.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.errors import ArtfsError
from artfs.repository.pins import follow_moves
from artfs.repository.repository import Repository

logger = logging.getLogger(__name__)

#: Long before what a repack has left behind is deleted; a look asks the registry once for each pin.
_EVERY_S = 600.0


class PinsFollowing:
    """Has the pins of `repository` follow what was moved, from `start` until `stop`."""

    def __init__(self, repository: Repository, *, every_s: float = _EVERY_S) -> None:
        self._repository = repository
        self._cache = repository.cache if repository.objects.is_remote else None
        self._every_s = every_s
        self._stopped = threading.Event()
        self._failed: Mapping[str, str] = {}

    def start(self) -> None:
        """Begin, in a thread that keeps no process from ending. Not where there is nothing to pin."""
        if self._cache is not None:
            threading.Thread(target=self._run, args=(self._cache,), name="artfs-pins", daemon=True).start()

    def stop(self) -> None:
        """Look no more. A pin that is following ends with an error that nobody is told, and stays as it was."""
        self._stopped.set()

    def _run(self, cache: DiskCache) -> None:
        while not self._stopped.is_set():
            try:
                self._look(cache)
            except ArtfsError as error:  # the cache's folder cannot be used, which is told elsewhere
                logger.info("whether pins have to follow a repack is not known: %s", error)
            except Exception:
                if not self._stopped.is_set():  # else the stores were closed below it
                    logger.exception("following repacks ended in a way that nobody expected")
                return
            self._stopped.wait(self._every_s)

    def _look(self, cache: DiskCache) -> None:
        followed = follow_moves(self._repository, cache)
        for name in followed.moved:
            logger.info("the pin of %s has followed a repack", name)
        failed = {label: str(error) for label, error in followed.failed.items()}
        for label, why in failed.items():
            if not self._stopped.is_set() and self._failed.get(label) != why:
                logger.warning("the pin of %s has not followed a repack, so reading it needs the object store: %s", label, why)
        self._failed = failed
