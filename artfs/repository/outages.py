"""Whether the registry is reached: what it said last, and who shall ask it again. Any thread.

After a failure one request in a few seconds asks, and the others are told of the failure at once: a server that does not answer at
all would otherwise keep each of them for as long as connecting may take.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from artfs.errors import RegistryUnavailable

#: How long after a failure nobody but one asks; and where the end of the outage will be heard.
_PAUSE_S, _HEARD_PAUSE_S = 3.0, 30.0


@dataclass(frozen=True, slots=True)
class Outage:
    """The registry is not reached since then; `error` is what it said last."""

    since: datetime
    error: RegistryUnavailable


class Outages:
    """Keeps the outage of the moment, if there is one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._now: Outage | None = None
        self._ask_again_s = 0.0

    @property
    def now(self) -> Outage | None:
        """The outage, unless the registry answered last."""
        return self._now

    def to_respect(self) -> Outage | None:
        """The outage during which this request shall not ask; None if it shall, and then say how it went."""
        with self._lock:
            if self._now is None or self._clock() >= self._ask_again_s:
                self._ask_again_s = self._clock() + _PAUSE_S  # for this one's answer the others do not wait
                return None
            return self._now

    def begun(self, error: RegistryUnavailable, *, end_is_heard: bool) -> Outage:
        """The registry did not answer."""
        with self._lock:
            self._ask_again_s = self._clock() + (_HEARD_PAUSE_S if end_is_heard else _PAUSE_S)
            self._now = Outage(self._now.since if self._now is not None else datetime.now(UTC), error)
            return self._now

    def ended(self) -> None:
        """The registry did answer."""
        if self._now is not None:
            with self._lock:
                self._now = None

    def state(self) -> dict[str, Any]:
        """For people: whether the registry was reached last, since when not, and why."""
        outage = self._now
        if outage is None:
            return {"reachable": True}
        return {"reachable": False, "since": outage.since.isoformat(timespec="seconds"), "reason": outage.error.message}
