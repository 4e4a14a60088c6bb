"""Forking with an open database: connections are closed before, and transactions wait meanwhile.

Users fork, for workers that load data. A child must neither use nor close its parent's connections: PostgreSQL would end the
parent's session, and SQLite keeps a table of its locks in the process, which in the child would claim locks that only the parent
holds. So a fork first waits, for a bounded time, until no thread is in a transaction, and then closes what is idle: nothing is
inherited. Starting another program (`subprocess`) is no such fork and costs nothing here.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: A transaction that waits for another process may take long; the fork does not wait for that.
_LONGEST_WAIT_S = 5.0


class ForkGate:
    """Lets transactions of all threads through, but none while the process forks.

    `close` closes idle connections; `abandon` is called in the child and must let go of connections without touching them.
    """

    def __init__(self, *, close: Callable[[], None], abandon: Callable[[], None]) -> None:
        self._close = close
        self._abandon = abandon
        self._open_again()
        _GATES.add(self)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Around each transaction. Not to be nested: the inner one would wait for a fork that waits for the outer one."""
        # Kept, as a child that is forked in here gets a new one.
        changed = self._changed
        with changed:
            changed.wait_for(lambda: not self._forking)
            self._inside += 1
        try:
            yield
        finally:
            with changed:
                self._inside -= 1
                changed.notify_all()

    def before_fork(self) -> None:
        """Let no transaction begin, wait a while until those under way have ended, and close what is idle."""
        with self._changed:
            self._forking = True
            self._changed.wait_for(lambda: not self._inside, timeout=_LONGEST_WAIT_S)
        self._close()

    def after_fork_in_parent(self) -> None:
        """Let transactions through again."""
        with self._changed:
            self._forking = False
            self._changed.notify_all()

    def after_fork_in_child(self) -> None:
        """Begin anew: nothing of what the parent had open is used here."""
        # The threads that could hold the old lock are not here.
        self._open_again()
        self._abandon()

    def _open_again(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._forking = False


# Hooks cannot be taken back, so there is one set of hooks, for the gates that are there when it is called.
_GATES: weakref.WeakSet[ForkGate] = weakref.WeakSet()
_held: list[ForkGate] = []


def _before() -> None:
    _held[:] = list(_GATES)
    for gate in _held:
        gate.before_fork()


def _after_in_parent() -> None:
    while _held:
        _held.pop().after_fork_in_parent()


def _after_in_child() -> None:
    while _held:
        _held.pop().after_fork_in_child()


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
