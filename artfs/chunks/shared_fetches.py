"""What has been fetched stays in memory while there is room, and what one thread is fetching no other fetches.

Knows nothing of what it keeps: chunks under their digests, ranges of references under keys of their own, all in one bounded memory
(I7). Any thread, from everywhere.

One lock guards the cache and the table of fetches under way; it is never held while fetching. A fetch is entered under the same
lock that has just found its keys neither cached nor under way, and is taken out under the lock that puts the result into the cache:
so there is no moment at which two threads could both decide to fetch. Nobody waits for others before its own is fetched, so no two
threads wait for each other; and nobody waits for ever: whose fellow takes longer than anything may take gives it up. A forked child
waits for nothing that its parent fetches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from artfs.chunks.memory_cache import MemoryCache
from artfs.chunks.near import go_far
from artfs.errors import TimedOut, TransientError
from artfs.fork_hook import watch_forks
from artfs.objectstore.protocol import Piece

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
#: What the keys of one kind are given: always bytes, or views too.
P = TypeVar("P", bytes, Piece)

#: More than any one request takes before it fails by itself, and less than the mount gives a read.
PATIENCE_S = 50.0


class _Fetch:
    """Keys that one thread is fetching. `found` is complete, or `error` tells why it is not, once `done` is set."""

    __slots__ = ("done", "error", "found")

    def __init__(self) -> None:
        self.found: Mapping[Any, Piece] = {}
        self.error: TransientError | None = None
        self.done = threading.Event()


class SharedFetches:
    """Keeps up to `memory` bytes of what was fetched. `patience_s` is how long one waits for what another thread fetches."""

    def __init__(self, memory: int, patience_s: float = PATIENCE_S) -> None:
        self.memory = memory
        self._patience_s = patience_s
        self._cache = MemoryCache(memory)
        self._fetches: dict[Hashable, _Fetch] = {}
        self._lock = threading.Lock()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Nothing is under way. What is in memory stays, unless a thread of the parent was changing it in that moment."""
        if not self._lock.acquire(blocking=False):
            self._cache = self._cache.emptied()
        self._lock = threading.Lock()
        self._fetches = {}

    def get(self, wanted: Mapping[K, V], fetch: Callable[[dict[K, V]], Mapping[K, P]]) -> dict[K, P]:
        """The bytes under the keys of `wanted`. What nobody has or is fetching is given to `fetch`, at most once a call.

        What `fetch` returns beyond what it was asked for goes into the memory too. It raises what `fetch` raises, also where that
        of another thread raised a TransientError: to ask again what has just not answered would make a queue of those who wait.
        """
        found: dict[K, Any] = {}
        while True:
            own, entered, others = self._divide(wanted, found)
            if entered is not None:
                self._fetch_own(own, entered, fetch, found)
            if not others:
                return found
            for key, other in others.items():
                self._wait(other)
                # What it was to fetch and could not for a reason of its own is ours to fetch in the next round.
                if key in other.found:
                    found[key] = other.found[key]

    def keep(self, found: Mapping[K, Piece]) -> None:
        """Keep what was had without a fetch."""
        with self._lock:
            for key, data in found.items():
                self._cache.put(key, data)

    def peek(self, key: Hashable) -> Piece | None:
        """The bytes under `key` if they are in memory."""
        with self._lock:
            return self._cache.get(key)

    def reserve(self, size: int) -> None:
        """Keep `size` bytes less until they are released: for what is held elsewhere while it is on its way."""
        with self._lock:
            self._cache.reserve(size)

    def release(self, size: int) -> None:
        with self._lock:
            self._cache.release(size)

    def _divide(self, wanted: Mapping[K, V], found: dict[K, Any]) -> tuple[dict[K, V], _Fetch | None, dict[K, _Fetch]]:
        """Add to `found` what is in memory; of the rest, what is ours to fetch and entered now, and what others are fetching."""
        own: dict[K, V] = {}
        entered: _Fetch | None = None
        others: dict[K, _Fetch] = {}
        with self._lock:
            for key, value in wanted.items():
                if key in found:
                    continue
                data = self._cache.get(key)
                if data is not None:
                    found[key] = data
                elif key in self._fetches:
                    others[key] = self._fetches[key]
                else:
                    own[key] = value
            if own:
                entered = _Fetch()
                self._fetches.update(dict.fromkeys(own, entered))
        return own, entered, others

    def _fetch_own(
        self, own: dict[K, V], entered: _Fetch, fetch: Callable[[dict[K, V]], Mapping[K, Piece]], found: dict[K, Any]
    ) -> None:
        fetched: Mapping[K, Piece] = {}
        try:
            fetched = fetch(own)
            found.update((key, fetched[key]) for key in own)
        except TransientError as error:
            entered.error = error
            raise
        finally:
            with self._lock:
                self._take_out(own, entered)
                for key, data in fetched.items():
                    self._cache.put(key, data)
            entered.found = fetched
            entered.done.set()

    def _take_out(self, keys: Mapping[K, V], entered: _Fetch) -> None:
        for key in keys:
            if self._fetches.get(key) is entered:  # else somebody has given it up
                del self._fetches[key]

    def _wait(self, other: _Fetch) -> None:
        go_far()
        if not other.done.wait(self._patience_s):
            with self._lock:
                # Its thread is stuck: the next one who asks shall not wait for it again.
                for key in [key for key, entered in self._fetches.items() if entered is other]:
                    del self._fetches[key]
            raise TimedOut(f"what another reader is fetching has not come within {self._patience_s:g} s: try again later")
        if other.error is not None:
            raise other.error
