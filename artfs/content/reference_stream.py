"""References from front to back: for copying them out, past the memory that serves ranges.

The range that is needed next is passed on as it comes; those behind it are fetched meanwhile, more and larger ones the faster they
come. All streams share the room for what is ahead, and one that gets no room goes on without: none waits for another. What does not
come ahead is asked for again when its turn comes, and tells the reason then.

Any thread; an iterator is for one thread at a time. It may be left standing or dropped at any point.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial

from artfs.chunks.shared_fetches import PATIENCE_S, SharedFetches
from artfs.content.reference_fetches import ReferenceFetches, close_pieces, sent_something_else, take, wrong_size
from artfs.content.reference_pins import Pinned
from artfs.content.spools import Spools
from artfs.content.workers import Workers
from artfs.errors import TimedOut, TransientError
from artfs.references.changed import recorded_digest
from artfs.references.protocol import Piece

_FIRST = 1 << 20
_LARGEST = 8 << 20
_LEAST = 256 << 10
#: Ranges of all streams together that are held or under way ahead of their turn.
_MOST_AHEAD = 8
#: A range that takes longer makes the next ones fewer and smaller, a quick one more and larger.
_SLOW_S = 5.0
_QUICK_S = 1.0


@dataclass(slots=True)
class _Pace:
    """How much a stream asks for: adapts to how fast it comes."""

    largest: int
    size: int
    ahead: int = 2

    def note(self, took_s: float) -> None:
        if took_s > _SLOW_S:
            self.size, self.ahead = max(self.size // 2, min(_LEAST, self.largest)), max(self.ahead - 2, 1)
        elif took_s < _QUICK_S:
            self.size, self.ahead = min(self.size * 2, self.largest), min(self.ahead + 2, _MOST_AHEAD)


class _Ahead:
    """A range under way ahead of its turn, up to `end`. `let_go` gives back the room that it takes."""

    def __init__(self, end: int, future: Future[tuple[list[Piece], float]], let_go: Callable[[], None]) -> None:
        self.end = end
        self._future = future
        self._let_go = let_go

    def take(self, pinned: Pinned, pace: _Pace) -> list[Piece] | None:
        """The bytes, when they have come; None where they did not come in time and are to be asked for again."""
        try:
            pieces, took_s = self._future.result(PATIENCE_S)
        except TransientError:
            pace.note(PATIENCE_S)
            return None
        except CancelledError:  # the reader was closed meanwhile
            return None
        except TimeoutError as error:
            raise TimedOut(f"{pinned.shown_uri} has not answered within {PATIENCE_S:g} s: try again later") from error
        pace.note(took_s)
        return pieces

    def drop(self) -> None:
        """Nobody will look at the bytes, or nobody will any more."""
        if self._future.cancel() or self._future.done():
            self._let_go()
        else:
            self._future.add_done_callback(lambda _: self._let_go())


class ReferenceStreams:
    """Whole contents of what `fetches` gives. At most half of the memory of `shared` is used for what is ahead (I7)."""

    def __init__(self, fetches: ReferenceFetches, shared: SharedFetches, spools: Spools) -> None:
        self._fetches = fetches
        self._shared = shared
        self._spools = spools
        self._largest = max(64 << 10, min(_LARGEST, shared.memory // (2 * _MOST_AHEAD)))
        self._room = threading.BoundedSemaphore(_MOST_AHEAD)
        self._workers = Workers(_MOST_AHEAD, "artfs-stream")
        self._is_closed = False

    def iter_bytes(self, pinned: Pinned, size: int, *, is_scratch: bool = False) -> Iterator[Piece]:
        """The content in pieces of any length.

        With `is_scratch` the pieces go to where they are thrown away when an error follows: then even those are passed on at once
        of which only the end tells whether they are right.
        """
        if not size:
            return
        spool = self._spools.get(pinned.key)
        if spool is not None:
            yield from spool.iter_bytes()
            return
        pace = _Pace(self._largest, min(_FIRST, self._largest))
        start = min(pace.size, size)
        begun_s = time.monotonic()
        # The first one alone: it shows whether the home gives ranges at all.
        is_whole = yield from self._iter_first(pinned, size, start, is_scratch=is_scratch)
        if not is_whole and start < size:
            pace.note(time.monotonic() - begun_s)
            yield from self._iter_ranges(pinned, size, start, pace)

    def close(self) -> None:
        """Fetch nothing more ahead; reading stays possible."""
        self._is_closed = True
        self._workers.close(wait=False)

    def _iter_first(self, pinned: Pinned, size: int, stop: int, *, is_scratch: bool) -> Generator[Piece, None, bool]:
        """Pass on the bytes up to `stop`, or the whole where the home gives nothing else; true if it was the whole."""
        if is_scratch or recorded_digest(pinned.reference) is None:
            return (yield from self._iter_range(pinned, size, 0, stop)) == size
        answer = self._fetches.ask(pinned, 0, stop)
        try:
            pieces, total = take(answer.pieces, stop)
            spool = self._spools.fill(pinned, answer, pieces) if total > stop else None
        except BaseException:
            close_pieces(answer)
            raise
        if total < stop:
            raise wrong_size(pinned, total)
        yield from pieces if spool is None else spool.iter_bytes()
        return spool is not None or stop == size

    def _iter_range(self, pinned: Pinned, size: int, start: int, stop: int) -> Generator[Piece, None, int]:
        """Pass on the bytes as they come, going on where a connection breaks off; where they end.

        That is `stop`, or `size` where the home has given the whole.
        """
        position = start
        while True:
            begun = position
            answer = self._fetches.ask(pinned, position, stop - position)
            is_whole = answer.start != position
            if is_whole and recorded_digest(pinned.reference) is not None:
                close_pieces(answer)  # the digest would be of bytes of which others were passed on
                raise sent_something_else(pinned)
            try:
                for piece in _without(answer.pieces, position - answer.start):
                    position += len(piece)
                    if position > (size if is_whole or begun == 0 else stop):
                        raise wrong_size(pinned, position) if is_whole or begun == 0 else sent_something_else(pinned)
                    yield piece
            except TransientError:
                if position == begun or position > stop:  # its home has tried again already; and the whole is not resumed
                    raise
                if position < stop:
                    continue
            finally:
                close_pieces(answer)
            if position not in {stop, size}:
                raise wrong_size(pinned, position)
            return position

    def _iter_ranges(self, pinned: Pinned, size: int, start: int, pace: _Pace) -> Iterator[Piece]:
        ahead: deque[_Ahead] = deque()
        try:
            while start < size:
                current = ahead.popleft() if ahead else None
                stop = min(start + pace.size, size) if current is None else current.end
                try:
                    self._go_ahead(pinned, size, stop, ahead, pace)
                    pieces = None if current is None else current.take(pinned, pace)
                    if pieces is None:
                        start = yield from self._iter_range(pinned, size, start, stop)
                    else:
                        yield from pieces
                        start = stop
                finally:
                    if current is not None:
                        current.drop()
        finally:
            for each in ahead:
                each.drop()

    def _go_ahead(self, pinned: Pinned, size: int, start: int, ahead: deque[_Ahead], pace: _Pace) -> None:
        """Begin to fetch what comes after `start` and after what is ahead already, as far as there is room."""
        start = ahead[-1].end if ahead else start
        while start < size and len(ahead) < pace.ahead and not self._is_closed and self._room.acquire(blocking=False):
            end = min(start + pace.size, size)
            ahead.append(self._begin(pinned, start, end))
            start = end

    def _begin(self, pinned: Pinned, start: int, end: int) -> _Ahead:
        def let_go() -> None:
            self._shared.release(end - start)
            self._room.release()

        self._shared.reserve(end - start)
        try:
            return _Ahead(end, self._workers.submit(partial(self._fetch, pinned, start, end)), let_go)
        except BaseException:
            let_go()
            raise

    def _fetch(self, pinned: Pinned, start: int, end: int) -> tuple[list[Piece], float]:
        begun_s = time.monotonic()
        answer = self._fetches.ask(pinned, start, end - start)
        try:
            if answer.start != start:
                raise sent_something_else(pinned)
            pieces, total = take(answer.pieces, end - start)
        finally:
            close_pieces(answer)
        if total > end - start:
            raise sent_something_else(pinned)
        if total < end - start:
            raise wrong_size(pinned, start + total)
        return pieces, time.monotonic() - begun_s


def _without(pieces: Iterator[Piece], count: int) -> Iterator[Piece]:
    """What comes after the first `count` bytes."""
    for piece in pieces:
        if count < len(piece):
            yield piece[count:] if count else piece
        count = max(0, count - len(piece))
