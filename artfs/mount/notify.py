"""Telling the kernel that a name means something else now.

Never from a handler, as the kernel holds locks while it waits for one: pyfuse3's own notification thread does it. `listener` may be
called from any thread; what it looks up in the inode table is done on the event loop.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import pyfuse3
import trio

from artfs.model.names import ArtifactName
from artfs.vfs.inodes import InodeTable


class Notifier:
    """Pushes invalidations of the names in artifact directories. Made on the event loop."""

    def __init__(self, inodes: InodeTable) -> None:
        self._inodes = inodes
        self._token: trio.lowlevel.TrioToken | None = None

    def start(self) -> None:
        """From now on there is an event loop; called on it."""
        self._token = trio.lowlevel.current_trio_token()

    def moved(self, artifact: ArtifactName, names: Iterable[str]) -> None:
        """The names in the directory of `artifact` moved. Does not wait."""
        if self._token is None:
            return
        try:
            self._token.run_sync_soon(self._push, ("artifact", artifact), list(names))
        except trio.RunFinishedError:
            return

    def _push(self, directory: Hashable, names: list[str]) -> None:
        inode = self._inodes.find(directory)
        if inode is None:
            return
        for name in names:
            pyfuse3.invalidate_entry_async(inode.ino, name.encode(errors="surrogateescape"), ignore_enoent=True)
