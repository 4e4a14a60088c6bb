"""The spools of a process: one for each content that its home gives only as a whole, the last few kept for those who read on.

Filling goes on in a thread of its own for each, so that a reader goes on with the first bytes while the last ones are on their way.
These threads are daemons: they write to files without names, and must not keep a process from ending.

Any thread. The lock guards the table; it is never held while a home or a disk is waited for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from artfs.chunks.shared_fetches import PATIENCE_S
from artfs.content.reference_fetches import close_pieces
from artfs.content.reference_pins import Pinned
from artfs.content.spool import Reserve, Spool
from artfs.errors import TimedOut
from artfs.model.digest import Digest
from artfs.references.changed import recorded_digest
from artfs.references.protocol import Fetched, Piece

#: Complete ones that are kept beside the latest, and their bytes.
_MOST_KEPT = 4
_KEPT_SIZE = 4 << 30
#: Filled at once; who wants one more waits.
_MOST_FILLING = 8


class Spools:
    """Spools in files without names below `folder`, within what `reserve` allows them (I7)."""

    def __init__(self, folder: Path, reserve: Reserve | None = None) -> None:
        self._folder = folder
        self._reserve = reserve
        self._spools: OrderedDict[Digest, Spool] = OrderedDict()
        self._places = threading.BoundedSemaphore(_MOST_FILLING)
        self._lock = threading.Lock()

    def get(self, key: Digest) -> Spool | None:
        """The spool of the content with this key, if there is one that has not failed."""
        if not self._spools:  # read without the lock: who comes a moment too early fetches, and is sent back here
            return None
        with self._lock:
            spool = self._spools.get(key)
            if spool is None:
                return None
            if spool.has_failed:
                del self._spools[key]
                return None
            self._spools.move_to_end(key)
            return spool

    def fill(self, pinned: Pinned, answer: Fetched, taken: Sequence[Piece]) -> Spool:
        """Take over an answer that brings the whole, of which `taken` has been read. One that is being filled already goes on."""
        found = self.get(pinned.key)
        if found is not None:
            close_pieces(answer)
            return found
        if not self._places.acquire(timeout=PATIENCE_S):
            close_pieces(answer)
            raise TimedOut(
                f"{pinned.shown_uri} must wait for {_MOST_FILLING} other files that come only as a whole: try again later"
            )
        try:
            usable_early = recorded_digest(pinned.reference) is None
            spool = Spool(
                self._folder,
                pinned.shown_uri,
                pinned.reference.size,
                is_usable_early=usable_early,
                reserve=None if self._reserve is None else self._make_room,
            )
            found = self._enter(pinned.key, spool)
            if found is spool:
                pieces = chain(taken, answer.pieces)
                thread = threading.Thread(
                    target=self._fill, args=(pinned.key, spool, pieces, answer), name="artfs-spool", daemon=True
                )
                thread.start()
                return spool
        except BaseException:
            self._places.release()
            close_pieces(answer)
            raise
        self._places.release()
        close_pieces(answer)
        return found

    def close(self) -> None:
        """Stop filling."""
        with self._lock:
            spools = list(self._spools.values())
            self._spools.clear()
        for spool in spools:
            spool.cancel()

    def _enter(self, key: Digest, spool: Spool) -> Spool:
        """Enter `spool` unless another thread has been faster; the one that counts."""
        with self._lock:
            there = self._spools.get(key)
            if there is not None and not there.has_failed:
                return there
            self._spools[key] = spool
            self._drop_old_ones()
            return spool

    def _make_room(self, size: int) -> object | None:
        """What `reserve` gives, if need be instead of the complete ones that are kept for those who read on."""
        if self._reserve is None:
            return object()
        found = self._reserve(size)
        if found is not None:
            return found
        with self._lock:
            for key, spool in list(self._spools.items()):
                if not spool.is_filling:
                    del self._spools[key]
        return self._reserve(size)

    def _drop_old_ones(self) -> None:
        """Whoever reads one that is dropped reads on: its file ends with its last reader."""
        kept = size = 0
        for key, spool in reversed(list(self._spools.items())):
            if not spool.is_filling:
                kept, size = kept + 1, size + spool.size
                if kept > _MOST_KEPT or size > _KEPT_SIZE:
                    del self._spools[key]

    def _fill(self, key: Digest, spool: Spool, pieces: Iterator[Piece], answer: Fetched) -> None:
        try:
            spool.fill(pieces)
        finally:
            close_pieces(answer)
            self._places.release()
            if spool.has_failed:
                with self._lock:
                    if self._spools.get(key) is spool:
                        del self._spools[key]
