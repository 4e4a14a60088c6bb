"""Who may do what with a staging directory, and when.

Threads of one process: `lock` is held around each operation on names, which takes microseconds. Whoever only looks calls `look`
first, whoever changes something `change`, both with the lock held.

Processes: the first change takes the folder's lock, which is kept until `close`. Only while it is held may the places of
directories be remembered from one operation to the next, as nobody else moves directories then; without it, `look` has them
forgotten each time and makes sure that the folder still is the one that was opened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from artfs.errors import Busy
from artfs.vfs.staging.folder_lock import FolderLock
from artfs.vfs.staging.removal import remove_tree


class FolderGate:
    """The gate of the staging directory in `folder`; `forget` is called when what is remembered of it may be wrong."""

    def __init__(self, folder: Path, scratch: str, forget: Callable[[], None]) -> None:
        self.lock = threading.RLock()
        self._folder = folder
        self._scratch = scratch
        self._forget = forget
        self._folder_lock = FolderLock(folder)
        self._frozen = False

    def look(self) -> None:
        """ENOENT when the directory was closed, or is gone by now."""
        if not self._folder_lock.held:
            self._folder_lock.check_same_folder()
            self._forget()

    def change(self) -> None:
        """Busy while the directory is frozen, or another process changes it."""
        if self._frozen:
            raise Busy(f"the staging directory {self._folder.name!r} is being committed: wait until that is done")
        if not self._folder_lock.held:
            self._folder_lock.acquire()
            self._forget()
            # What a crash left half done; only now, as another process may have been at work there.
            remove_tree(self._scratch, keep_top=True)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """No `change` in the block, by anybody."""
        with self.lock:
            self.change()
            self._frozen = True
        try:
            yield
        finally:
            with self.lock:
                self._frozen = False

    def is_current(self) -> bool:
        """False after `close`, or when the folder is gone."""
        try:
            self._folder_lock.check_same_folder()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let others change the directory. Nothing can be done with it through this gate any more."""
        with self.lock:
            self._folder_lock.release()
            self._forget()
