"""A whole content on its way into a temporary file: readers take what has arrived and wait for what has not.

For homes that give nothing but the whole. The file has no name, so that nothing is left behind however the process ends. One thread
fills (`fill`), any threads read. The filler keeps only a little ahead of its readers, and gives up when nobody has asked for a
while: `head` of a file of 100 GiB does not bring 100 GiB.

One condition guards what has arrived and what is wanted; it is held neither while the home is waited for nor while the disk is read
or written. Bytes are written before they are counted as arrived, and never written again, so `pread` needs no lock.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from artfs.chunks.shared_fetches import PATIENCE_S
from artfs.errors import ArtfsError, InternalError, ReferenceUnavailable, StoreFull, TimedOut
from artfs.model.counted import counted
from artfs.objectstore.open_files import OpenFile
from artfs.references.protocol import Piece

#: The filler stops when it is so far ahead of what anybody has asked for.
_AHEAD = 16 << 20
#: The filler gives up when nobody has asked for anything for so long; servers keep an idle connection about as long.
ABANDONED_S = 30.0
_PIECE = 1 << 20
#: read(2) gives no more than this at once.
_MOST_READ = 1 << 30
#: Of a content of unknown size so much is reserved at once.
_RESERVED_AT_ONCE = 16 << 20

#: Sets bytes apart for as long as what it returns is there; None where there is no room for them.
Reserve = Callable[[int], object | None]


class Spool:
    """A content of `size` bytes where that is known, called `name` in messages.

    Unless it `is_usable_early`, only its end tells that it is right, and nobody gets a byte before (I9). Its bytes are reserved
    with `reserve` before they are written (I7): all at once where the size is known.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        size: int | None,
        *,
        is_usable_early: bool,
        abandoned_s: float = ABANDONED_S,
        reserve: Reserve | None = None,
    ) -> None:
        self._name = name
        self._size = size
        self._is_usable_early = is_usable_early
        self._abandoned_s = abandoned_s
        self._changed = threading.Condition()
        self._arrived = self._wanted = self._waiting = 0
        self._asked_s = time.monotonic()
        self._is_complete = self._is_cancelled = False
        self._error: ArtfsError | None = None
        self._reserve = reserve
        self._reserved = 0
        #: Holds what was reserved for as long as the file is there: its readers hold this object.
        self._reservations: list[object] = []
        self._file = _temporary_file(folder, name)

    @property
    def is_filling(self) -> bool:
        with self._changed:
            return not self._is_complete and self._error is None

    @property
    def size(self) -> int:
        """How many bytes have arrived: all of them unless it is filling."""
        with self._changed:
            return self._arrived

    @property
    def has_failed(self) -> bool:
        with self._changed:
            return self._error is not None

    def fill(self, pieces: Iterator[Piece]) -> None:
        """Take in all `pieces`. Never raises: readers are told."""
        error: ArtfsError | None = None
        try:
            for piece in pieces:
                self._append(piece)
                if not self._is_needed():
                    raise ReferenceUnavailable(f"{self._name} was not read to its end: try again")
            if self._size is not None and self._arrived != self._size:
                raise ReferenceUnavailable(
                    f"{self._name} ended after {self._arrived} of {counted(self._size, 'byte')}: try again later"
                )
        except ArtfsError as raised:
            error = raised
        except OSError as raised:
            error = StoreFull(f"no room to keep {self._name} while it is read ({raised.strerror}): make room, and try again")
        except Exception as raised:  # noqa: BLE001  whatever it is, the readers must not wait for it
            error = InternalError(f"{self._name} cannot be read: {raised!r}")
        with self._changed:
            self._error = error
            self._is_complete = error is None
            self._changed.notify_all()

    def cancel(self) -> None:
        """Stop filling."""
        with self._changed:
            self._is_cancelled = True
            self._changed.notify_all()

    def wait_complete(self) -> int:
        """The size, once all has arrived; waits as long as more arrives now and then. Raises what keeps it from arriving."""
        with self._changed:
            self._wait(sys.maxsize, is_patient=True)
            return self._arrived

    def read(self, offset: int, end: int) -> bytes:
        """The bytes from `offset` up to `end`, or to where the content ends. Raises what keeps them from arriving."""
        with self._changed:
            self._wait(end, is_patient=False)
        return self._read(offset, end)

    def iter_bytes(self) -> Iterator[bytes]:
        """All bytes in pieces, as long as more arrives now and then."""
        offset = 0
        while True:
            with self._changed:
                self._wait(offset + _PIECE, is_patient=True)
            piece = self._read(offset, offset + _PIECE)
            if not piece:
                return
            yield piece
            offset += len(piece)

    def _wait(self, end: int, *, is_patient: bool) -> None:
        """Until the bytes before `end` may be used. Who is patient waits for as long as there is some progress."""
        self._wanted = max(self._wanted, end)
        self._waiting += 1
        self._changed.notify_all()
        arrived, deadline_s = self._arrived, time.monotonic() + PATIENCE_S
        try:
            while not self._is_complete and not (self._is_usable_early and self._arrived >= end):
                if self._error is not None:
                    raise self._error
                if is_patient and self._arrived > arrived:
                    arrived, deadline_s = self._arrived, time.monotonic() + PATIENCE_S
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise TimedOut(f"{self._name} does not come as fast as it is needed, and only as a whole: try again later")
                self._changed.wait(left_s)
        finally:
            self._waiting -= 1
            self._asked_s = time.monotonic()

    def _is_needed(self) -> bool:
        """Wait while the filler is far enough ahead; false when nobody has asked for anything for long."""
        with self._changed:
            while not self._is_cancelled:
                if not self._waiting and time.monotonic() - self._asked_s > self._abandoned_s:
                    return False
                if self._arrived < self._wanted + _AHEAD or not self._is_usable_early:
                    return True
                self._changed.wait(self._abandoned_s)
            return False

    def _append(self, piece: Piece) -> None:
        view, offset = memoryview(piece), self._arrived
        self._ensure_reserved(offset + len(view))
        while view:
            written = os.pwrite(self._file.descriptor, view, offset)
            view, offset = view[written:], offset + written
        with self._changed:
            self._arrived = offset
            self._changed.notify_all()

    def _ensure_reserved(self, size: int) -> None:
        if self._reserve is None or size <= self._reserved:
            return
        more = max(_RESERVED_AT_ONCE, size - self._reserved) if self._size is None else max(self._size, size) - self._reserved
        reservation = self._reserve(more)
        if reservation is None:
            raise StoreFull(
                f"{self._name} comes only as a whole, and the limit of the cache leaves no room for it: raise cache_limit, "
                "or unpin versions"
            )
        self._reservations.append(reservation)
        self._reserved += more

    def _read(self, offset: int, end: int) -> bytes:
        parts = []
        while offset < end and (part := os.pread(self._file.descriptor, min(end - offset, _MOST_READ), offset)):
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _temporary_file(folder: Path, name: str) -> OpenFile:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            return OpenFile(os.dup(file.fileno()))
    except OSError as error:
        raise StoreFull(
            f"{name} cannot be kept in {folder} while it is read ({error.strerror}): make room there, and try again"
        ) from error
