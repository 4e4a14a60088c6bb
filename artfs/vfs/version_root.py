"""The root of a mount of one version: the version, and `.artfs` beside it for those who know of it.

A listing shows what is in the version and nothing else, so that a copy of the mount is the version; `.artfs` is there all the same
when it is looked up, unless the version has that name itself. Any thread.
"""

from __future__ import annotations

from artfs.vfs.information import INFORMATION_NAME
from artfs.vfs.node import Node
from artfs.vfs.scene import Scene
from artfs.vfs.version_nodes import VersionDirectory
from artfs.vfs.views import View


class PinnedVersion(VersionDirectory):
    """The root directory of a version that is mounted alone."""

    __slots__ = ("_scene",)
    is_immutable = False  # the adapter must ask for `.artfs`; all else it learns once, from the timeouts

    def __init__(self, scene: Scene, view: View) -> None:
        super().__init__(scene.reading, view, "")
        self._scene = scene

    def lookup(self, name: str) -> Node | None:
        found = super().lookup(name)
        if found is None and name == INFORMATION_NAME:
            return self._scene.mount_information()
        return found
