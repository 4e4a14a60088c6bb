"""What is tried again, and for how long."""

from __future__ import annotations

import pytest

from artfs.cloud.retry import RetryPolicy, TryAgain
from artfs.errors import StoreUnavailable


def test_the_time_in_which_bytes_move_does_not_count() -> None:
    policy = RetryPolicy(attempts=5, last_start_s=0)
    attempts = 0

    def fail() -> None:
        nonlocal attempts
        attempts += 1
        raise TryAgain(StoreUnavailable("cut off"))

    with pytest.raises(StoreUnavailable):
        policy.run(fail, wait=lambda _: None)
    assert attempts == 1
    with pytest.raises(StoreUnavailable):
        policy.run(fail, moving_s=lambda: 60, wait=lambda _: None)
    assert attempts == 1 + 5
