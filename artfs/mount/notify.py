"""Telling the kernel that names mean something else now.

Never from a handler, as the kernel holds the directory's lock while it waits for one, and the notification waits for that lock: a
thread of its own does it. And never before the request that moved the names has been answered: a thread that waits for a lock of
the kernel cannot be killed. Were the daemon killed in that moment, the thread would keep /dev/fuse open, the kernel would never
give up the request, and the request would never give up the lock: whoever uses the mount would hang for good. So `collect`
gathers what a request moves while it is served, and `tell` hands it on when the handler is through.

`moved` may be called from any thread; everything else runs on the event loop.

`pushed` waits, for a moment at the most, until the names of a directory have been told. A handler may only wait for a directory
that the kernel has not locked for the request: the lookup of what leads to it.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar

import pyfuse3
import trio

from artfs.model.names import ArtifactName
from artfs.vfs.inodes import InodeTable

logger = logging.getLogger(__name__)

#: Longest wait. Should the kernel hold the lock after all, we answer and it goes on.
_PATIENCE_S = 0.25
_STOPPING_S = 2.0

Moves = list[tuple[ArtifactName, list[str]]]
#: What the request that is being served has moved. Threads that work for it inherit the variable, and so the list.
_MOVES: ContextVar[Moves | None] = ContextVar("moves", default=None)


class Notifier:
    """Pushes invalidations of the names in artifact directories."""

    def __init__(self, inodes: InodeTable) -> None:
        self._inodes = inodes
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread: threading.Thread | None = None
        self._queue: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        self._waiting: Counter[int] = Counter()
        self._events: dict[int, trio.Event] = {}

    def start(self) -> None:
        """From now on there is an event loop; called on it."""
        self._token = trio.lowlevel.current_trio_token()
        # A daemon thread: one that waits for a lock of the kernel must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, args=(self._token,), name="artfs-notify", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell nothing more. What is being told ends first: the session must not go away under it."""
        self._token = None
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(_STOPPING_S)

    @staticmethod
    def collect() -> Moves:
        """A request begins: what `moved` is told from now on, by this task and the threads it waits for, is in the list."""
        moves: Moves = []
        _MOVES.set(moves)
        return moves

    def tell(self, moves: Moves) -> None:
        """The handler is through, and its reply goes out before anything else happens on the event loop: then tell the kernel."""
        for artifact, names in moves:
            self._expect(artifact, names)

    def moved(self, artifact: ArtifactName, names: Iterable[str]) -> None:
        """The names in the directory of `artifact` moved. Does not wait."""
        moves = _MOVES.get()
        if moves is not None:
            moves.append((artifact, list(names)))
        elif self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):  # unmounted in this moment
                self._token.run_sync_soon(self._expect, artifact, list(names))

    def _expect(self, artifact: ArtifactName, names: list[str]) -> None:
        inode = self._inodes.find(("artifact", artifact))
        if inode is None or not names or self._token is None:
            return
        # Counted at once, so that a lookup that comes right behind the reply waits; handed to the thread behind the reply.
        self._waiting[inode.ino] += len(names)
        self._events.setdefault(inode.ino, trio.Event())
        self._token.run_sync_soon(self._push, inode.ino, names)

    def _push(self, ino: int, names: list[str]) -> None:
        for name in names:
            self._queue.put((ino, name.encode(errors="surrogateescape")))

    async def pushed(self, ino: int) -> None:
        """Wait until the names of the directory have been told."""
        event = self._events.get(ino)
        if event is not None:
            with trio.move_on_after(_PATIENCE_S):
                await event.wait()

    def _done(self, ino: int) -> None:
        self._waiting[ino] -= 1
        if self._waiting[ino] <= 0:
            del self._waiting[ino]
            self._events.pop(ino).set()

    def _work(self, token: trio.lowlevel.TrioToken) -> None:
        while (item := self._queue.get()) is not None:
            try:
                pyfuse3.invalidate_entry(*item)
            except FileNotFoundError:  # the kernel does not know the name
                pass
            except OSError as error:
                logger.debug("could not tell the kernel about %r: %s", item[1], error)
            try:
                token.run_sync_soon(self._done, item[0])
            except trio.RunFinishedError:
                return
