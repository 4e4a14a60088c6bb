"""Asking the homes of references for bytes: counted, and checked against what is known of the content.

Does not keep, retry or cut anything. Any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from artfs.content.reference_pins import Pinned
from artfs.errors import ReferenceChanged, ReferenceUnavailable
from artfs.model.counted import counted
from artfs.references.changed import reference_changed
from artfs.references.protocol import Fetched, Piece
from artfs.references.references import References


@dataclass(frozen=True, slots=True)
class FetchCounts:
    """Requests for content, and the bytes of it that have come."""

    requests: int
    bytes_read: int


class ReferenceFetches:
    """Asks the homes of `references`."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._requests = self._bytes = 0
        self._lock = threading.Lock()

    def ask(self, pinned: Pinned, offset: int, length: int) -> Fetched:
        """See `Home.fetch`. Whoever does not read the pieces to their end passes them to `close_pieces`.

        Raises ReferenceChanged also where the home says another size than the one that is known.
        """
        with self._lock:
            self._requests += 1
        with _told_of(pinned):
            fetched = self._references.fetch(pinned.reference, offset, length)
        known = pinned.reference.size
        if known is not None and fetched.size is not None and fetched.size != known:
            close_pieces(fetched)
            raise wrong_size(pinned, fetched.size)
        if fetched.start not in {0, offset}:
            close_pieces(fetched)
            raise sent_something_else(pinned)
        return replace(fetched, pieces=self._counted(pinned, fetched))

    def counts(self) -> FetchCounts:
        with self._lock:
            return FetchCounts(self._requests, self._bytes)

    def _counted(self, pinned: Pinned, fetched: Fetched) -> Iterator[Piece]:
        try:
            with _told_of(pinned):
                for piece in fetched.pieces:
                    with self._lock:
                        self._bytes += len(piece)
                    yield piece
        finally:
            close_pieces(fetched)


def close_pieces(fetched: Fetched) -> None:
    """Let go of what has not been read."""
    close = getattr(fetched.pieces, "close", None)
    if close is not None:
        close()


def take(pieces: Iterator[Piece], most: int) -> tuple[list[Piece], int]:
    """The pieces and how many bytes they are: all there are, or the first ones that are more than `most` together.

    So that a home which finds out at the end that the content is another one has come to say so when there are no more than `most`.
    """
    taken: list[Piece] = []
    total = 0
    for piece in pieces:
        taken.append(piece)
        total += len(piece)
        if total > most:
            break
    return taken, total


def cut(pieces: Iterable[Piece], length: int) -> Iterator[bytes]:
    """The same bytes in pieces of `length`, the last one shorter."""
    parts: list[memoryview] = []
    missing = length
    for piece in pieces:
        view = memoryview(piece)
        while len(view) >= missing:
            parts.append(view[:missing])
            view = view[missing:]
            yield b"".join(parts)
            parts, missing = [], length
        if view:
            parts.append(view)
            missing -= len(view)
    if parts:
        yield b"".join(parts)


@contextmanager
def _told_of(pinned: Pinned) -> Iterator[None]:
    """What a home calls recorded was only found first where nothing was recorded."""
    try:
        yield
    except ReferenceChanged as error:
        if pinned.was_recorded:
            raise
        raise _of(pinned, error) from error


def _of(pinned: Pinned, error: ReferenceChanged) -> ReferenceChanged:
    if pinned.was_recorded:
        return error
    return ReferenceChanged(error.uri, recorded=error.recorded, found=error.found, was_recorded=False)


def wrong_size(pinned: Pinned, found: int) -> ReferenceChanged:
    known = pinned.reference.size
    error = reference_changed(
        pinned.reference, f"more than {counted(known, 'byte')}" if known is not None and found > known else counted(found, "byte")
    )
    return _of(pinned, error)


def sent_something_else(pinned: Pinned) -> ReferenceUnavailable:
    return ReferenceUnavailable(f"{pinned.shown_uri} was answered with other bytes than those asked for: tell who keeps its server")
