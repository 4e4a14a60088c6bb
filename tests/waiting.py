"""Waiting for what other threads do."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(is_so: Callable[[], bool], *, within_s: float = 30.0) -> None:
    """Return once `is_so`; fail where that takes longer than it ever should."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "this has not become so in time"
        time.sleep(0.001)
