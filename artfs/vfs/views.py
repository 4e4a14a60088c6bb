"""Views: a version as it is shown under one name.

The kernel allows a directory one parent, so that the directories of a version have other inodes below `v3/` than below `best/`. A
view is what these inodes belong to. Looking a name up again gives the same view as long as it means the same version, so that the
kernel may go on with what it knows; when a name is taken away by rename(2) or rmdir(2) its view is retired, as the kernel marks
the inode dead: the next lookup must bring another.

Any thread.
"""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from artfs.content.manifests import Manifest
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(moment: datetime) -> int:
    """A moment as nanoseconds since the epoch, exactly."""
    age = moment - _EPOCH
    return (age.days * 86_400 + age.seconds) * 1_000_000_000 + age.microseconds * 1000


class View:
    """One version under one name. `where` is the path of its root below the mount point."""

    __slots__ = ("__weakref__", "manifest", "mtime_ns", "serial", "version", "where")

    def __init__(self, serial: int, version: VersionRecord, manifest: Manifest, where: str) -> None:
        self.serial = serial
        self.version = version
        self.manifest = manifest
        self.where = where
        self.mtime_ns = nanoseconds(version.created_at)


class Views:
    """The views that somebody still uses."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._lock = threading.Lock()
        self._serials = itertools.count()
        self._views: WeakValueDictionary[tuple[ArtifactName, str], View] = WeakValueDictionary()

    def show(self, version: VersionRecord, name: str, where: str) -> View:
        """The view of `version` under `name` in its artifact."""
        key = (version.artifact, name)
        with self._lock:
            view = self._views.get(key)
            if view is not None and view.version.id == version.id:
                return view
        manifest = self._repository.manifest(version)
        with self._lock:
            current = self._views.get(key)
            if current is not None and current.version.id == version.id:
                return current
            view = self._views[key] = View(next(self._serials), version, manifest, where)
            return view

    def retire(self, artifact: ArtifactName, name: str) -> None:
        """The next `show` of that name makes a new view. Those who hold the old one keep it."""
        with self._lock:
            self._views.pop((artifact, name), None)
