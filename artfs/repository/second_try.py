"""Doing a commit once more when its lease was lost (I4).

A commit that took longer than its lease, as the machine slept or the registry was away, has failed cleanly: nothing of it is
visible, and what it stored is garbage. Whoever still has the source takes it in again, under a new lease. Once: a lease that is
lost again is more than bad luck, and its holder is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from artfs.errors import LeaseLost

T = TypeVar("T")

logger = logging.getLogger(__name__)


def again_if_lease_lost(attempt: Callable[[], T]) -> T:
    """`attempt()`, a second time if the lease that it opened was lost. It takes in everything from the source each time."""
    try:
        return attempt()
    except LeaseLost as error:
        logger.info("doing it once more: %s", error)
    return attempt()
