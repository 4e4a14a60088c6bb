"""The one retry policy: what is tried again, how often, and how long a whole call may take.

The mount gives up on a read after 60 s, so that a call has to end before, with an error that says why. SDKs and urllib3 are told to
try once, and `RetryPolicy.run` does the rest. obstore resumes a body where it was cut, so that it retries itself, within the same
bounds; it does not see a Retry-After, so that an SDK goes on where a server asks for patience. Any thread: a policy is a value.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from artfs.errors import ArtfsError

T = TypeVar("T")

#: Answers that may be others when asked again.
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class TryAgain(Exception):
    """An attempt failed in a way that may pass. `error` is what the caller gets when it is not tried again.

    `retry_after_s` is for how long the server asks to be left alone; where that is longer than there is time, nobody waits.
    """

    def __init__(self, error: ArtfsError, retry_after_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """No attempt begins later than `last_start_s` after the first, and none of obstore's lasts longer than `attempt_timeout_s`.

    `read_timeout_s` is the longest silence of a server from which bytes are expected.
    """

    attempts: int = 4
    last_start_s: float = 20.0
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 15.0
    attempt_timeout_s: float = 20.0
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0

    @property
    def longest_s(self) -> float:
        """The longest that a call takes."""
        return self.last_start_s + max(self.attempt_timeout_s, self.connect_timeout_s + self.read_timeout_s)

    def run(
        self,
        attempt: Callable[[], T],
        *,
        left_s: Callable[[], float] | None = None,
        moving_s: Callable[[], float] | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> T:
        """What `attempt` returns, called again while it raises TryAgain and there is time.

        `left_s` says how much time there is, where not all that passes counts; `moving_s` for how long bytes have moved, which
        does not count either: an upload over a slow link may take longer than anybody waits for an answer. `wait` waits for so
        many seconds.
        """
        last_start = time.monotonic() + self.last_start_s
        for number in range(1, self.attempts + 1):
            try:
                return attempt()
            except TryAgain as failure:
                wait_s = self._wait_s(number, failure.retry_after_s)
                time_left_s = last_start - time.monotonic() if left_s is None else left_s()
                time_left_s += moving_s() if moving_s is not None else 0
                if number == self.attempts or wait_s >= time_left_s:
                    raise failure.error from failure
                wait(wait_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def obstore_settings(self) -> dict[str, Any]:
        """The same, as the arguments of an obstore store."""
        return {
            "client_options": {
                "allow_http": True,
                "connect_timeout": timedelta(seconds=self.connect_timeout_s),
                "read_timeout": timedelta(seconds=self.read_timeout_s),
                "timeout": timedelta(seconds=self.attempt_timeout_s),
            },
            "retry_config": {
                "max_retries": self.attempts - 1,
                "retry_timeout": timedelta(seconds=self.last_start_s),
                "backoff": {
                    "init_backoff": timedelta(seconds=self.first_wait_s),
                    "max_backoff": timedelta(seconds=self.longest_wait_s),
                    "base": 2,
                },
            },
        }

    def _wait_s(self, number: int, retry_after_s: float | None) -> float:
        # Half of it is left to chance, so that many who were refused at once do not come back at once.
        backoff: float = min(self.longest_wait_s, self.first_wait_s * 2 ** (number - 1))
        return max(backoff * random.uniform(0.5, 1), retry_after_s or 0)  # noqa: S311  no secret


DEFAULT_POLICY = RetryPolicy()
#: For what is read from an object store: one that is started anew, which takes a few seconds, fails no read of a mount.
STORE_READ_POLICY = RetryPolicy(attempts=40)
#: For what is written: nobody waits in read(2), and what is given up is a whole commit. A server that is started anew, or a network
#: that is away for some seconds, is waited for. The time to connect is also that in which a connection must take the next bytes.
WRITE_POLICY = RetryPolicy(attempts=40, last_start_s=120, connect_timeout_s=15, read_timeout_s=30)


def retry_after_s(header: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, which may say a date; None without one that means something."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None
    return seconds if 0 <= seconds < float("inf") else None
