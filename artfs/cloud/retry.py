"""The one retry policy for buckets: what is tried again, how often, and how long a whole call may take.

The mount gives up on a read after 60 s, so that a call has to end before, with an error that says why: no attempt begins later
than 20 s after the first, and none lasts longer than 20 s. SDKs are told to try once, and `tried_again` does the rest; obstore
does not show headers and resumes a body where it was cut, so that it retries itself, within the same bounds (`obstore_settings`).
Pure but for waiting; any thread.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from artfs.errors import ArtfsError, TransientError

T = TypeVar("T")

ATTEMPTS = 4
LAST_START_S = 20.0
CONNECT_TIMEOUT_S = 5.0
#: Longest silence of a server from which bytes are expected.
READ_TIMEOUT_S = 15.0
#: Longest time for one attempt of obstore, body included.
ATTEMPT_TIMEOUT_S = 20.0
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
#: Answers that may be others when asked again. 409 and the like are none: nothing is written.
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class TryAgain(Exception):
    """An attempt failed in a way that may pass. `error` is what the caller gets when no attempt is left."""

    def __init__(self, error: ArtfsError, retry_after_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after_s = retry_after_s


def tried_again(attempt: Callable[[], T]) -> T:
    """What `attempt` returns, called again while it raises TryAgain and there is time."""
    started = time.monotonic()
    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except TryAgain as failure:
            wait_s = _wait_s(number, failure.retry_after_s)
            if failure.retry_after_s is not None and failure.retry_after_s > LAST_START_S:
                asked = f"{failure.error}; the server asked to be left alone for {failure.retry_after_s:.0f} seconds"
                raise TransientError(asked) from failure
            if number == ATTEMPTS or time.monotonic() - started + wait_s > LAST_START_S:
                raise failure.error from failure
            time.sleep(wait_s)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _wait_s(number: int, retry_after_s: float | None) -> float:
    # Half of it is left to chance, so that many who were refused at once do not come back at once.
    backoff: float = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (number - 1)) * random.uniform(0.5, 1)  # noqa: S311  no secret
    return max(backoff, retry_after_s or 0)


def retry_after_s(header: str | None) -> float | None:
    """The seconds in a Retry-After header; None without one, and for the form that is a date."""
    try:
        seconds = float(header) if header else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < float("inf") else None


def obstore_settings() -> dict[str, Any]:
    """The same policy, as the arguments of an obstore store."""
    return {
        "client_options": {
            "allow_http": True,
            "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
            "read_timeout": timedelta(seconds=READ_TIMEOUT_S),
            "timeout": timedelta(seconds=ATTEMPT_TIMEOUT_S),
        },
        "retry_config": {
            "max_retries": ATTEMPTS - 1,
            "retry_timeout": timedelta(seconds=LAST_START_S),
            "backoff": {
                "init_backoff": timedelta(seconds=_FIRST_WAIT_S),
                "max_backoff": timedelta(seconds=_LONGEST_WAIT_S),
                "base": 2,
            },
        },
    }
