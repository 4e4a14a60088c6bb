"""The staging directories that a mount has seen: one tree each, as two would not know of each other's open files. Any thread."""

from __future__ import annotations

import threading

from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord
from artfs.vfs.staged_tree import StagedTree
from artfs.vfs.staging.store import StagingStore
from artfs.vfs.views import Views


class StagedTrees:
    """Trees by artifact and name."""

    def __init__(self, store: StagingStore, views: Views) -> None:
        self.store = store
        self._views = views
        self._lock = threading.Lock()
        self._trees: dict[tuple[ArtifactName, str], StagedTree] = {}

    def get(self, artifact: ArtifactName, name: str) -> StagedTree:
        """The tree of a staging directory; NotFound when there is none."""
        directory = self.store.open(artifact, name)
        with self._lock:
            tree = self._trees.get((artifact, name))
            if tree is None or tree.directory is not directory:
                # Removed and made again, by this mount or by somebody else: what was open in the old one stays with the old tree.
                tree = self._trees[artifact, name] = StagedTree(directory, artifact, name, self._views)
            return tree

    def create(self, artifact: ArtifactName, name: str, base: VersionRecord | None = None) -> StagedTree:
        self.store.create(artifact, name, base)
        return self.get(artifact, name)

    def remove(self, artifact: ArtifactName, name: str) -> None:
        self.store.remove(artifact, name)
        self.drop(artifact, name)

    def drop(self, artifact: ArtifactName, name: str) -> None:
        """The staging directory is gone."""
        with self._lock:
            self._trees.pop((artifact, name), None)

    def rename(self, artifact: ArtifactName, old: str, new: str) -> None:
        """The tree stays the same, so that inodes and open files do."""
        tree = self.get(artifact, old)
        with tree.gate.moving_paths():
            directory = self.store.rename(artifact, old, new)
            with self._lock:
                self._trees.pop((artifact, old), None)
                tree.directory, tree.name = directory, new
                self._trees[artifact, new] = tree

    def close(self) -> None:
        with self._lock:
            self._trees.clear()
        self.store.close()
