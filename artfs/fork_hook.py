"""Objects that begin anew in a forked child.

Threads do not come along into a child, and a lock that one of them held in that moment stays held in it for ever. What has either
is told right after fork(2), before the child has a second thread: so nobody can see it half renewed. Hooks of fork(2) cannot be
taken back, so there is one, for the objects that are there when it is called. Any thread. Starting another program (`subprocess`)
is no such fork.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Inherited(Protocol):
    """What a child has a copy of, and cannot use as it is."""

    def begin_anew_in_child(self) -> None:
        """Forget the threads and connections of the parent, and take new locks. Waits for nothing."""
        ...


_watched: weakref.WeakSet[Inherited] = weakref.WeakSet()


def watch_forks(each: Inherited) -> None:
    """Have `each.begin_anew_in_child()` called in every child that is forked for as long as the object is there."""
    _watched.add(each)


def _begin_anew() -> None:
    for each in list(_watched):
        each.begin_anew_in_child()


os.register_at_fork(after_in_child=_begin_anew)
