"""Read-ahead: finds out which files are read from front to back, and has their next chunks ready.

A stream is one key (a file's digest) and where its last reads ended. The second read that goes on where one ended starts read-ahead
of 1 MiB; it doubles up to 8 MiB while reading goes on. A read elsewhere starts over, so random access costs nothing extra. Not a
cache: chunks go where the given function puts them.

Thread-safe; the kernel sends the parts of one sequential read in several threads and slightly out of order, so a read counts as
going on when it begins within a few reads' length of where the furthest one ended.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from artfs.errors import ArtfsError

logger = logging.getLogger(__name__)

FIRST_WINDOW = 1 << 20
LARGEST_WINDOW = 8 << 20
#: How much at once is asked for by one thread.
STEP = 1 << 20
#: How far from where the furthest read ended one may begin and still go on with it: so many bytes, or so many times its own length.
_SLACK = 512 << 10
_SLACK_READS = 3
_MOST_STREAMS = 64
_THREADS = 2
#: Steps waiting or running; more than that are not asked for, whoever reads.
_MOST_STEPS = 32


@dataclass(slots=True)
class _Stream:
    position: int
    window: int = 0
    ahead: int = 0


class Prefetch:
    """Watches reads, and calls `fetch(offset, length)` in its threads for what will be read next."""

    def __init__(self, threads: int = _THREADS) -> None:
        self._thread_count = threads
        self._executor: ThreadPoolExecutor | None = None
        self._streams: OrderedDict[Hashable, _Stream] = OrderedDict()
        self._steps = 0
        self._lock = threading.Lock()
        self._closed = False

    def note(self, key: Hashable, offset: int, length: int, size: int, fetch: Callable[[int, int], object]) -> None:
        """Tell of a read of `length` bytes at `offset` of the file `key` of `size` bytes."""
        with self._lock:
            start, stop = self._plan(key, offset, offset + length, size)
            while start < stop and self._steps < _MOST_STEPS and not self._closed:
                end = min(start + STEP, stop)
                self._steps += 1
                self._threads().submit(self._step, fetch, start, end - start)
                start = end
            stream = self._streams[key]
            stream.ahead = max(stream.ahead, start)

    def close(self) -> None:
        """Ask for nothing more, and wait for what was asked for."""
        with self._lock:
            self._closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(cancel_futures=True)

    def _plan(self, key: Hashable, offset: int, end: int, size: int) -> tuple[int, int]:
        """What to read ahead now, from where to where; nothing unless reading goes on."""
        stream = self._streams.get(key)
        if stream is None:
            self._streams[key] = _Stream(end)
            if len(self._streams) > _MOST_STREAMS:
                self._streams.popitem(last=False)
            return 0, 0
        self._streams.move_to_end(key)
        if abs(offset - stream.position) > max(_SLACK, _SLACK_READS * (end - offset)):
            stream.position, stream.window, stream.ahead = end, 0, 0
            return 0, 0
        if end <= stream.position:
            return 0, 0
        stream.position = end
        # Asked for in large steps: half a window must have been used up before more is asked for.
        if stream.ahead - end > stream.window // 2:
            return 0, 0
        stream.window = min(max(stream.window * 2, FIRST_WINDOW), LARGEST_WINDOW)
        return max(stream.ahead, end), min(end + stream.window, size)

    def _threads(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._thread_count, thread_name_prefix="artfs-read-ahead")
        return self._executor

    def _step(self, fetch: Callable[[int, int], object], start: int, length: int) -> None:
        try:
            fetch(start, length)
        except ArtfsError as error:
            # Whoever reads these bytes will get the same error, and can say which file it was.
            logger.debug("read-ahead failed: %s", error)
        finally:
            with self._lock:
                self._steps -= 1
