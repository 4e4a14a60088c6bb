"""The root of a mount of one version: the version, and `.artfs` beside it for those who know of it.

A listing shows what is in the version, so that a copy of the mount is the version; `.artfs` is not listed, and is there all the
same when it is looked up. Where the version has that name at its root itself, the mount's goes first: status and errors can be had
nowhere else, and that of the version in a mount of the artifact or by a download. Any thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from artfs.vfs.information import INFORMATION_NAME
from artfs.vfs.node import Listed, Node
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
        return self._scene.mount_information() if name == INFORMATION_NAME else super().lookup(name)

    def list(self) -> Sequence[Listed]:
        return [listed for listed in super().list() if listed.name != INFORMATION_NAME]
