"""Locks between processes: flock(2), which the kernel takes back from a process that ends, however it ends.

They are held for moments and waited for with a bound: a process that was stopped in such a moment must not stop all others. Any
thread; but a flock belongs to the open file, so it does not part threads that share one.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator

_PATIENCE_S = 2.0
_PAUSE_S = 0.001


def try_flock(descriptor: int) -> bool:
    """Take the lock of an open file if nobody has it. It ends with the last descriptor of that open file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def flocked(descriptor: int) -> Iterator[None]:
    """Hold the lock of an open file. BlockingIOError, an OSError, when somebody else keeps it for seconds."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while not try_flock(descriptor):
        if time.monotonic() > deadline_s:
            raise BlockingIOError("another process keeps the cache locked")
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
