"""What went wrong lately, for `/.artfs/errors`: a tool sees an errno, a person reads the reason there.

Any thread.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import UTC, datetime

MOST_PROBLEMS = 200


class Problems:
    """The last failures, the oldest first. A failure that repeats is kept once, with the time of the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[tuple[str, str, str]] = deque(maxlen=MOST_PROBLEMS)

    def record(self, where: str, reason: str) -> None:
        """`where` is a path below the mount point, `reason` one sentence."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock:
            if self._lines and self._lines[-1][1:] == (where, reason):
                self._lines.pop()
            self._lines.append((now, where, reason))

    def __len__(self) -> int:
        return len(self._lines)

    def text(self) -> bytes:
        """One line each: time, path, reason, separated by tabs."""
        with self._lock:
            lines = list(self._lines)
        return "".join("\t".join(" ".join(field.split()) for field in line) + "\n" for line in lines).encode(errors="replace")
