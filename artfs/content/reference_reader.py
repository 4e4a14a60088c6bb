"""The bytes of reference entries: any range, or the whole, of exactly the content that was recorded (I9).

Ranges go through blocks in memory (`reference_blocks`) and are read ahead (`prefetch`); a whole is streamed past them
(`reference_stream`); what a home gives only as a whole goes into a spool. What has no recorded size is asked for it once
(`reference_pins`). Who asks for what has just failed to come is told so at once (`recent_failures`).

Any thread, in any order; there is no state for a reader.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from artfs.chunks.shared_fetches import SharedFetches
from artfs.content.prefetch import Pace, Prefetch
from artfs.content.recent_failures import RecentFailures
from artfs.content.reference_blocks import MOST_AT_ONCE, ReferenceBlocks
from artfs.content.reference_fetches import FetchCounts, ReferenceFetches, close_pieces, take
from artfs.content.reference_pins import Pinned, ReferencePins
from artfs.content.reference_stream import ReferenceStreams
from artfs.content.spool import Reserve
from artfs.content.spools import Spools
from artfs.model.entry import Entry
from artfs.references.protocol import Piece
from artfs.references.references import References

#: The kernel's own read-ahead makes nearly 3 MiB of the first one that a program reads: who wants no more shall not pay for more.
_BEGINS_AFTER = 3 << 20
#: Read-ahead of one reference: up to eight requests of 8 MiB.
_LARGEST_WINDOW = 64 << 20
_THREADS = 8
#: Of the memory, what one reader may have ahead, and what all may.
_WINDOW_SHARE = 4
_BUDGET_SHARE = 2
#: Asked for where the size is not known: the answer says it, or is the whole.
_UNKNOWN_LENGTH = 1 << 40
_SMALL_WHOLE = 1 << 20


class ReferenceReader:
    """Reads through `references`, and keeps what it may read again in `shared`.

    `folder` is for what comes only as a whole, within what `reserve` allows.
    """

    def __init__(
        self,
        references: References,
        shared: SharedFetches,
        folder: Path,
        reserve: Reserve | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pins = ReferencePins(references)
        self._fetches = ReferenceFetches(references)
        self._spools = Spools(folder, reserve)
        self._blocks = ReferenceBlocks(self._fetches, shared, self._spools)
        self._streams = ReferenceStreams(self._fetches, shared, self._spools)
        self._failures = RecentFailures(clock)
        self._prefetch = Prefetch(_pace(shared.memory))

    def known_size(self, entry: Entry) -> int | None:
        """The size if it is known already; never waits."""
        pinned = self._pins.known(entry)
        return None if pinned is None else pinned.reference.size

    def size(self, entry: Entry, *, anew: bool = False) -> int:
        """The size; its home is asked where it was not recorded, once unless `anew`. Raises what a home raises."""
        known = None if anew else self.known_size(entry)
        if known is not None:
            return known  # also where the content has just failed to come
        with self._failures.asking(entry.digest):
            return self._sized(entry, self._pins.refresh(entry) if anew else self._pins.get(entry))[1]

    def read_now(self, entry: Entry, offset: int, length: int) -> Piece | None:
        """What `read` would return, if it is in memory. Never waits for more than a short lock."""
        pinned = self._pins.known(entry)
        size = None if pinned is None else pinned.reference.size
        if pinned is None or size is None:
            return None
        end = min(offset + length, size)
        if offset >= end:
            return b""
        data = self._blocks.peek(pinned, offset, end)
        if data is not None:
            self._note(pinned, size, offset, end)
        return data

    def read(self, entry: Entry, offset: int, length: int) -> Piece:
        """`length` bytes from `offset` on; fewer only where the content ends."""
        with self._failures.asking(entry.digest):
            return self._read(entry, offset, length)

    def iter_bytes(self, entry: Entry, *, is_scratch: bool = False) -> Iterator[Piece]:
        """The whole content in pieces of any length; for `is_scratch` see `ReferenceStreams.iter_bytes`."""
        pinned, size = self._sized(entry, self._pins.refresh(entry))
        return self._streams.iter_bytes(pinned, size, is_scratch=is_scratch)

    def counts(self) -> FetchCounts:
        """What was asked of homes for content so far."""
        return self._fetches.counts()

    def close(self) -> None:
        """Stop reading ahead; reading stays possible. Does not wait for homes that do not answer."""
        self._prefetch.close(wait=False)
        self._streams.close()
        self._spools.close()

    def _read(self, entry: Entry, offset: int, length: int) -> Piece:
        pinned, size = self._sized(entry, self._pins.get(entry))
        end = min(offset + length, size)
        if offset >= end:
            return b""
        spool = self._spools.get(pinned.key)
        if spool is not None:
            return spool.read(offset, end)
        self._note(pinned, size, offset, end)  # before reading, so that what comes next is on its way meanwhile
        return self._blocks.read(pinned, size, offset, end)

    def _note(self, pinned: Pinned, size: int, offset: int, end: int) -> None:
        if not self._blocks.is_small(size):
            self._prefetch.note(pinned.key, offset, end - offset, size, partial(self._blocks.bring, pinned, size))

    def _sized(self, entry: Entry, pinned: Pinned) -> tuple[Pinned, int]:
        size = pinned.reference.size
        if size is None:
            size = self._find_size(pinned)
            pinned = self._pins.learn_size(entry, pinned, size)
        return pinned, size

    def _find_size(self, pinned: Pinned) -> int:
        """Of a content whose home does not say it before it has sent the whole."""
        spool = self._spools.get(pinned.key)
        if spool is None:
            answer = self._fetches.ask(pinned, 0, _UNKNOWN_LENGTH)
            try:
                if answer.size is not None:
                    close_pieces(answer)
                    return answer.size
                pieces, total = take(answer.pieces, _SMALL_WHOLE)
                if total <= _SMALL_WHOLE:
                    self._blocks.put_whole(pinned, pieces)
                    return total
                spool = self._spools.fill(pinned, answer, pieces)
            except BaseException:
                close_pieces(answer)
                raise
        return spool.wait_complete()


def _pace(memory: int) -> Pace:
    """Windows that leave room for others in a memory of `memory` bytes; it may be small."""
    largest = min(_LARGEST_WINDOW, memory // _WINDOW_SHARE)
    return Pace(
        begins_after=_BEGINS_AFTER,
        first=min(1 << 20, largest),
        largest=largest,
        least_step=1 << 20,
        most_step=MOST_AT_ONCE,
        batch=MOST_AT_ONCE,
        budget=memory // _BUDGET_SHARE,
        threads=_THREADS,
    )
