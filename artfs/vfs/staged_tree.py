"""A staging directory as the nodes of a mount see it: which item is at which path, and who has files open for writing.

The kernel names inodes, the staging directory names paths: the tree keeps them together while files are renamed, linked, removed.
A file keeps its item under a new name and without a name, as long as somebody has it open. Items are held by the nodes in the inode
table and by open files only: one that the kernel has forgotten is made anew when it is looked up again.

Threads: any. `_lock` guards what is in memory and is never held during an operation on disk; operations that make paths out of
items pass the gate, so that no rename overtakes them.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakValueDictionary

from artfs.errors import Busy
from artfs.model.entry import Entry, Kind
from artfs.model.names import ArtifactName
from artfs.vfs.attributes import Changes
from artfs.vfs.gate import PathGate
from artfs.vfs.staging.directory import StagingDirectory
from artfs.vfs.staging.stat import StagedStat
from artfs.vfs.views import Views

_SERIALS = itertools.count()
#: How long a commit waits for files that are being closed: the kernel tells the last close after close(2) has returned.
_CLOSING_S = 2.0


class OpenItem(Protocol):
    """An open file, as the way to reach what has no name any more."""

    def stat(self) -> StagedStat: ...
    def reopen(self, flags: int) -> int: ...
    def truncate(self, size: int) -> None: ...
    def change(self, changes: Changes) -> None: ...
    def remember(self, now: StagedStat) -> None: ...


class StagedItem:
    """A file, directory or symlink in a staging directory, whatever its name: `paths` are its names, none once it was removed.

    `files` are its open files, by which it is reached then. `reference` is the entry of the base while its bytes are still those of
    a reference, as it was seen last.
    """

    __slots__ = ("__weakref__", "files", "kind", "number", "paths", "reference")

    def __init__(self, number: int, kind: Kind, path: str) -> None:
        self.number = number
        self.kind = kind
        self.reference: Entry | None = None
        self.paths = [path]
        self.files: list[OpenItem] = []


class StagedTree:
    """One staging directory. `name` and `directory` change when it is renamed."""

    def __init__(self, directory: StagingDirectory, artifact: ArtifactName, name: str, views: Views) -> None:
        self._views = views
        self.directory = directory
        self.artifact = artifact
        self.name = name
        self.serial = next(_SERIALS)
        self.gate = PathGate()
        self._items: WeakValueDictionary[str, StagedItem] = WeakValueDictionary()
        self._linked: WeakValueDictionary[int, StagedItem] = WeakValueDictionary()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._writers_changed = threading.Condition()
        self._writers = 0
        self._committing = False
        self.state = object()

    def changed(self) -> None:
        """A name or an attribute is another from now on: what was listed must be looked at again. Called before the reply."""
        self.state = object()

    def name_timeout_s(self) -> float:
        """How long the kernel may believe in the name of the staging directory: not at all while a commit is about to move it."""
        return self._views.name_timeout_s(self.artifact)

    def item_at(self, path: str, status: StagedStat) -> StagedItem:
        """The item of what is at `path`, found or new."""
        with self._lock:
            item = self._item_at(path, status)
            item.reference = status.reference
            return item

    def _item_at(self, path: str, status: StagedStat) -> StagedItem:
        item = self._items.get(path)
        if item is not None and item.kind is status.kind:
            return item
        hard_linked = status.kind is not Kind.DIRECTORY and status.nlink > 1 and status.host_ino
        if hard_linked:
            item = self._linked.get(status.host_ino)
            if item is not None and item.kind is status.kind:
                item.paths.append(path)
                self._items[path] = item
                return item
        item = StagedItem(next(self._numbers), status.kind, path)
        self._items[path] = item
        if hard_linked:
            self._linked[status.host_ino] = item
        return item

    def find(self, path: str) -> StagedItem | None:
        """The item at `path`, if the kernel knows it."""
        with self._lock:
            return self._items.get(path)

    def file_opened(self, item: StagedItem, file: OpenItem) -> None:
        with self._lock:
            item.files.append(file)

    def file_closed(self, item: StagedItem, file: OpenItem) -> None:
        with self._lock:
            if file in item.files:
                item.files.remove(file)

    def linked(self, item: StagedItem, path: str, status: StagedStat) -> None:
        """`path` is another name of `item`."""
        with self._lock:
            item.paths.append(path)
            self._items[path] = item
            if status.host_ino:
                self._linked[status.host_ino] = item
        self.changed()

    def removed(self, path: str) -> None:
        """Nothing is at `path` any more."""
        with self._lock:
            self._take_name(path)
        self.changed()

    def _take_name(self, path: str) -> None:
        item = self._items.pop(path, None)
        if item is not None and path in item.paths:
            item.paths.remove(path)

    def renamed(self, old: str, new: str, *, exchanged: bool) -> None:
        """What was at `old` is at `new` now, with all below it; the other way round too when both were exchanged."""
        with self._lock:
            moved = self._below(old)
            others = self._below(new) if exchanged else []
            if not exchanged:
                self._take_name(new)
            for path, item in (*moved, *others):
                item.paths.remove(path)
                self._items.pop(path, None)
            for path, item in moved:
                self._give_name(new + path[len(old) :], item)
            for path, item in others:
                self._give_name(old + path[len(new) :], item)
        self.changed()

    def _give_name(self, path: str, item: StagedItem) -> None:
        item.paths.append(path)
        self._items[path] = item

    def _below(self, top: str) -> list[tuple[str, StagedItem]]:
        inside = f"{top}/"
        return [(path, item) for path, item in list(self._items.items()) if path == top or path.startswith(inside)]

    def writer_opens(self) -> None:
        """A file is about to be opened for writing. Busy while the directory is committed."""
        with self._writers_changed:
            if self._committing:
                raise Busy(f"the staging directory {self.name!r} is being committed: wait until that is done")
            self._writers += 1

    def writer_closes(self) -> None:
        with self._writers_changed:
            self._writers -= 1
            self._writers_changed.notify_all()

    @contextmanager
    def without_writers(self) -> Iterator[None]:
        """No file is open for writing in the block. Busy when one stays open."""
        with self._writers_changed:
            if self._committing:
                raise Busy(f"the staging directory {self.name!r} is being committed already")
            if not self._writers_changed.wait_for(lambda: not self._writers, _CLOSING_S):
                raise Busy(f"{self._writers} file(s) in the staging directory {self.name!r} are open for writing: close them first")
            self._committing = True
        try:
            yield
        finally:
            with self._writers_changed:
                self._committing = False
