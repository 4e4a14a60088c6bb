"""Read-ahead: finds out which files are read from front to back, and has their next bytes ready.

A stream is one key (a file's digest) and where its last reads ended. A read that goes on where one ended, for long enough, starts
read-ahead of a first window; it doubles up to a largest one while reading goes on, and shrinks while what is asked for takes long.
A read elsewhere starts over, so random access costs nothing extra. Not a cache: bytes go where the given function puts them.

Thread-safe; the kernel sends the parts of one sequential read in several threads and slightly out of order, so a read counts as
going on when it begins within a few reads' length of where the furthest one ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

from artfs.content.workers import Workers
from artfs.errors import ArtfsError
from artfs.fork_hook import watch_forks

logger = logging.getLogger(__name__)

FIRST_WINDOW = 1 << 20
LARGEST_WINDOW = 8 << 20
#: How far from where the furthest read ended one may begin and still go on with it: so many bytes, or so many times its own length.
_SLACK = 512 << 10
_SLACK_READS = 3
_MOST_STREAMS = 64
#: Steps waiting or running; more than that are not asked for, whoever reads.
_MOST_STEPS = 32
#: A step that takes longer halves the stream's window, so that requests over a slow link end within their time; a quick one gives
#: it back.
_SLOW_S = 5.0
_QUICK_S = 1.0
#: A stream that nobody has read from for so long does not count as one that has something ahead.
_IDLE_S = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is read ahead: windows, and steps of which each is one call of `fetch`. Bytes, but for `threads`.

    Nothing is before a stream has gone on for `begins_after` bytes, or more than one read. Who reads a file from its beginning is
    likely to read all of it: `eager` times as much is ahead as was read, and the first read is enough if it has `first` bytes. A
    step is a part of the window between `least_step` and `most_step`. More is asked for as soon as `batch` bytes, or half a window,
    have been used up. `budget` is for all streams together, so that what one has ahead does not drive out what another has.
    """

    begins_after: int = 0
    eager: int = 0
    first: int = FIRST_WINDOW
    largest: int = LARGEST_WINDOW
    least_step: int = 1 << 20
    most_step: int = 1 << 20
    batch: int = LARGEST_WINDOW // 2
    budget: int = 64 * LARGEST_WINDOW
    threads: int = 2


#: For chunks, which are large requests to a store near by.
CHUNK_PACE = Pace()


@dataclass(slots=True)
class _Stream:
    begun: int
    position: int
    limit: int
    window: int = 0
    ahead: int = 0
    noted_s: float = 0.0


class Prefetch:
    """Watches reads, and calls `fetch(offset, length)` in its threads for what will be read next."""

    def __init__(self, pace: Pace = CHUNK_PACE) -> None:
        self._pace = pace
        self._workers = Workers(pace.threads, "artfs-read-ahead")
        self._closed = False
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Nothing is asked for, and nobody reads yet: the steps under way are those of the parent."""
        self._streams: OrderedDict[Hashable, _Stream] = OrderedDict()
        self._steps = 0
        self._lock = threading.Lock()

    def note(self, key: Hashable, offset: int, length: int, size: int, fetch: Callable[[int, int], object]) -> None:
        """Tell of a read of `length` bytes at `offset` of the file `key` of `size` bytes."""
        with self._lock:
            start, stop = self._plan(key, offset, offset + length, size)
            stream = self._streams[key]
            step = max(self._pace.least_step, min(stream.window // 4, self._pace.most_step))
            while start < stop and self._steps < _MOST_STEPS and not self._closed:
                end = min(start + step, stop)
                self._steps += 1
                self._workers.submit(partial(self._step, stream, fetch, start, end - start))
                start = end
            stream.ahead = max(stream.ahead, start)

    def close(self, *, wait: bool = True) -> None:
        """Ask for nothing more, and wait for what was asked for unless told not to."""
        with self._lock:
            self._closed = True
        self._workers.close(wait=wait)

    def _plan(self, key: Hashable, offset: int, end: int, size: int) -> tuple[int, int]:
        """What to read ahead now, from where to where; nothing unless reading goes on."""
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(offset, end, self._pace.largest)
            if len(self._streams) > _MOST_STREAMS:
                self._streams.popitem(last=False)
            return self._ahead(stream, end, size) if self._pace.eager and not offset and end >= self._pace.first else (0, 0)
        self._streams.move_to_end(key)
        if abs(offset - stream.position) > max(_SLACK, _SLACK_READS * (end - offset)):
            stream.begun, stream.position, stream.window, stream.ahead = offset, end, 0, 0
            return 0, 0
        if end <= stream.position:
            return 0, 0
        stream.position = end
        if end - stream.begun < self._pace.begins_after:
            return 0, 0
        # Asked for in large steps: enough must have been used up before more is asked for.
        window = max(stream.window, self._eager(stream, end))
        if stream.ahead - end > max(window // 2, window - self._pace.batch):
            return 0, 0
        return self._ahead(stream, end, size)

    def _eager(self, stream: _Stream, end: int) -> int:
        return min(self._pace.eager * end, stream.limit) if not stream.begun else 0

    def _ahead(self, stream: _Stream, end: int, size: int) -> tuple[int, int]:
        """The same for a stream of which more is to be asked for; makes its window larger."""
        stream.window = min(max(stream.window * 2, self._pace.first, self._eager(stream, end)), stream.limit)
        stream.noted_s = time.monotonic()
        return max(stream.ahead, end), min(end + stream.window, size, max(stream.ahead, end) + self._budget_left(stream))

    def _budget_left(self, stream: _Stream) -> int:
        recent_s = stream.noted_s - _IDLE_S
        others = (each for each in self._streams.values() if each.noted_s > recent_s)
        return max(0, self._pace.budget - sum(max(0, each.ahead - each.position) for each in others))

    def _step(self, stream: _Stream, fetch: Callable[[int, int], object], start: int, length: int) -> None:
        begun_s = time.monotonic()
        try:
            if start + length > stream.position:  # else the reader was faster
                fetch(start, length)
        except ArtfsError as error:
            # Whoever reads these bytes will get the same error, and can say which file it was.
            logger.debug("read-ahead failed: %s", error)
        finally:
            self._done(stream, time.monotonic() - begun_s)

    def _done(self, stream: _Stream, took_s: float) -> None:
        with self._lock:
            self._steps -= 1
            if took_s > _SLOW_S:
                stream.limit = stream.window = max(self._pace.first, stream.window // 2)
            elif took_s < _QUICK_S:
                stream.limit = min(self._pace.largest, 2 * stream.limit)
