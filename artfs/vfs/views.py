"""Views: a version as it is shown under one name.

The kernel allows a directory one parent, so that the directories of a version have other inodes below `v3/` than below `best/`. A
view is what these inodes belong to. Looking a name up again gives the same view as long as it means the same version, so that the
kernel may go on with what it knows; when a name is taken away by rename(2) or rmdir(2) its view is retired, as the kernel marks
the inode dead: the next lookup must bring another.

So that those who hold a directory by such a name keep it alive, its view is renewed before: `renew` says False, the caller answers
ESTALE, which makes the kernel look the name up again (it gets another view, whose inode may die) and try a second time.

Names are unsettled while they are about to move: the kernel may not keep them then, so that it asks and learns at once.

Any thread.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from artfs.content.manifests import Manifest
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository
from artfs.vfs.attributes import MOVABLE_S, NEVER_S

#: How long names are unsettled: the kernel tries a second time at once.
_UNSETTLED_S = 5.0
#: The second try may have to wait for the lock of the directory, behind a commit that takes as long as it takes.
_SECOND_TRY_S = 3600.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(moment: datetime) -> int:
    """A moment as nanoseconds since the epoch, exactly."""
    age = moment - _EPOCH
    return (age.days * 86_400 + age.seconds) * 1_000_000_000 + age.microseconds * 1000


class View:
    """One version under one name. `where` is the path of its root below the mount point."""

    __slots__ = ("__weakref__", "_manifest", "_views", "mtime_ns", "serial", "version", "where")

    def __init__(self, views: Views, serial: int, version: VersionRecord, where: str) -> None:
        self._views = views
        self._manifest: Manifest | None = None
        self.serial = serial
        self.version = version
        self.where = where
        self.mtime_ns = nanoseconds(version.created_at)

    @property
    def manifest(self) -> Manifest:
        """What is in the version: read when it is first asked for, as an artifact's directory shows names of many."""
        manifest = self._manifest
        if manifest is None:
            manifest = self._manifest = self._views.open_manifest(self.version)
        return manifest

    def name_timeout_s(self) -> float:
        """How long the kernel may believe that the name means this version."""
        return self._views.name_timeout_s(self.version.artifact)


class Views:
    """The views that somebody still uses."""

    def __init__(self, repository: Repository, clock: Callable[[], float] = time.monotonic) -> None:
        self._repository = repository
        self._clock = clock
        self._lock = threading.Lock()
        self._serials = itertools.count()
        self._views: WeakValueDictionary[tuple[ArtifactName, str], View] = WeakValueDictionary()
        self._renewed: dict[tuple[ArtifactName, str, str], float] = {}
        self._unsettled: dict[ArtifactName, float] = {}

    def show(self, version: VersionRecord, name: str, where: str) -> View:
        """The view of `version` under `name` in its artifact."""
        key = (version.artifact, name)
        with self._lock:
            view = self._views.get(key)
            if view is None or view.version.id != version.id:
                view = self._views[key] = View(self, next(self._serials), version, where)
            return view

    def open_manifest(self, version: VersionRecord) -> Manifest:
        """Two threads that do it at once get the same."""
        manifest = self._repository.manifest(version)
        self._repository.names.opened(version)
        return manifest

    def retire(self, artifact: ArtifactName, name: str) -> None:
        """The next `show` of that name makes a new view. Those who hold the old one keep it."""
        with self._lock:
            self._views.pop((artifact, name), None)

    def renew(self, artifact: ArtifactName, name: str, by: str) -> bool:
        """True if the inode under the name may die: the kernel has looked it up again since. Otherwise ask it to.

        `by` tells one request from others that move the same name at the same time: each has a second try of its own, and no third.
        """
        key = (artifact, name, by)
        now = self._clock()
        with self._lock:
            before = self._renewed.pop(key, None)
            if before is not None and now - before < _SECOND_TRY_S:
                return True
            self._renewed[key] = now
            self._views.pop((artifact, name), None)
            return False

    def unsettle(self, artifact: ArtifactName) -> None:
        """Names of the artifact are about to move, or have just moved: for a moment the kernel may not keep any."""
        with self._lock:
            self._unsettled[artifact] = self._clock() + _UNSETTLED_S

    def name_timeout_s(self, artifact: ArtifactName) -> float:
        """How long the kernel may keep what it knows of a name in the artifact, and that there is no such name."""
        until = self._unsettled.get(artifact)
        return NEVER_S if until is not None and self._clock() < until else MOVABLE_S
