"""Keeping the leases of commits alive while they are under way.

A lease is how a commit tells gc that packs are being written which no version names yet (I4). As long as the process lives, a
heartbeat extends it; when the process dies, it expires, and gc collects what the commit had stored. This module opens leases,
extends them and ends them; it does not know what is stored under them.

Threads: one daemon thread extends all leases of a keeper. It starts with the first lease and ends with the last, so a process that
only reads has none. `_lock` guards the set of leases and the thread; the registry is never called with it held, so that a slow
registry delays heartbeats and not those who commit. After fork(2) the child owns none of the leases and has no thread: it must not
extend, and so keep alive, what its parent may have given up.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from collections import deque
from typing import Protocol

from artfs.errors import ArtfsError, LeaseLost
from artfs.fork_hook import watch_forks
from artfs.model.entry import LeaseId
from artfs.model.records import LeaseRecord

#: A lease that was not extended for so long has expired. Long enough for a machine that swaps or a registry that restarts.
TTL_S = 300.0
INTERVAL_S = 60.0
#: After a heartbeat that did not get through, the next comes sooner: a registry that is back just in time keeps the lease alive.
RETRY_S = 5.0

logger = logging.getLogger(__name__)


class LeaseTable(Protocol):
    """What the registry offers for leases."""

    def open(self, entity: str, holder: str, ttl_s: float) -> LeaseRecord: ...

    def heartbeat(self, lease: LeaseId, ttl_s: float) -> object: ...

    def end(self, lease: LeaseId) -> object: ...


class LeaseKeeper:
    """Opens leases and extends them until they are ended."""

    def __init__(self, table: LeaseTable, *, ttl_s: float = TTL_S, interval_s: float = INTERVAL_S) -> None:
        self._table = table
        self._ttl_s = ttl_s
        self._interval_s = interval_s
        self._dropped: deque[LeaseId] = deque()
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Hold no lease: those of the parent are the parent's."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._held: set[LeaseId] = set()
        self._thread: threading.Thread | None = None
        self._dropped.clear()

    @property
    def held(self) -> frozenset[LeaseId]:
        """The leases that are being kept alive."""
        with self._lock:
            return frozenset(self._held)

    @property
    def dropped(self) -> frozenset[LeaseId]:
        """The leases that will be ended at the next round."""
        return frozenset(self._dropped)

    def open(self, entity: str) -> LeaseId:
        """Open a lease and keep it alive until `end` or `release`."""
        lease = self._table.open(entity, f"{socket.gethostname()}:{os.getpid()}", self._ttl_s).id
        self.hold(lease)
        return lease

    def hold(self, lease: LeaseId) -> None:
        """Keep `lease` alive, which this keeper has opened."""
        with self._lock:
            self._held.add(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="artfs-leases", daemon=True)
                self._thread.start()

    def release(self, lease: LeaseId) -> None:
        """Extend `lease` no longer, as the registry has ended it or is about to."""
        with self._lock:
            self._held.discard(lease)
            if not self._held:
                self._changed.notify_all()

    def end(self, lease: LeaseId) -> None:
        """End `lease`: nothing stored under it will be committed. If the registry cannot be told now, the lease expires."""
        self._end(lease)

    def drop_later(self, lease: LeaseId) -> None:
        """End `lease` soon. For finalizers: takes no lock and calls no registry, as they run anywhere, even inside both."""
        if lease in self._held:  # not in a forked child, where the lease is its parent's
            self._dropped.append(lease)

    def close(self) -> None:
        """Stop extending all leases, and end those that were dropped: else a program that is over looks as if it went on."""
        with self._lock:
            self._held.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._end_dropped()

    def _run(self) -> None:
        pause_s = self._interval_s
        while self._wait(pause_s):
            self._end_dropped()
            is_through = self._extend_all()
            pause_s = self._interval_s if is_through else min(self._interval_s, RETRY_S)

    def _end_dropped(self) -> None:
        """End those that were dropped. Where the registry cannot be told, the others are left to the next round, or expire."""
        while self._dropped:
            if not self._end(self._dropped.popleft()):  # asking for each would take as long for each
                return

    def _end(self, lease: LeaseId) -> bool:
        """False when the registry could not be told."""
        self.release(lease)
        try:
            self._table.end(lease)
        except ArtfsError as error:  # it is away, of a newer schema by now, or takes no changes of this user any more
            logger.info("the lease %s could not be ended and will expire: %s", lease.hex(), error)
            return False
        return True

    def _extend_all(self) -> bool:
        """False when the registry did not answer for one of them."""
        failed = 0
        held = list(self.held)
        # In any order, so that the same ones do not always come last.
        for lease in random.sample(held, len(held)):
            failed += not self._extend(lease)
            if failed > 1:  # not a row that is locked, but a registry that is away: asking for each would take as long for each
                break
        return not failed

    def _wait(self, pause_s: float) -> bool:
        """Wait for the next round; False when the thread has nothing left to do and is about to end."""
        with self._lock:
            if self._held:
                self._changed.wait(pause_s)
            if not self._held:
                self._thread = None  # under the lock: an `open` after this starts another thread
            return bool(self._held)

    def _extend(self, lease: LeaseId) -> bool:
        """False when the registry did not answer."""
        try:
            self._table.heartbeat(lease, self._ttl_s)
        except LeaseLost as error:
            # The commit is told when it commits. Here it may as well have been committed between the look and the heartbeat.
            logger.info("the lease %s is not extended any more: %s", lease.hex(), error)
            self.release(lease)
        except ArtfsError as error:
            logger.info("the lease %s could not be extended, trying again: %s", lease.hex(), error)
            return False
        except Exception:
            # One lease must not take the heartbeat of the others with it.
            logger.exception("the heartbeat of the lease %s failed", lease.hex())
        return True
