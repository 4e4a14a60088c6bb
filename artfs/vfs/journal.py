"""The journal: what came of the commits made through this mount, for `.artfs/log`.

A rename(2) can say no more than an errno; here is what it meant. Any thread.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from artfs.model.names import ArtifactName
from artfs.model.records import CommitOutcome

MOST_LINES = 1000


class Journal:
    """The last commits and failed commits of each artifact, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[ArtifactName, deque[Mapping[str, Any]]] = defaultdict(lambda: deque(maxlen=MOST_LINES))

    def committed(self, artifact: ArtifactName, staging: str, outcome: CommitOutcome) -> None:
        """`staging` has become a version, or was one already."""
        version = outcome.version
        self._add(
            artifact,
            {
                "event": "commit",
                "staging": staging,
                "version": version.label,
                "number": version.number,
                "created": outcome.created,
                "digest": version.digest.hex(),
                "aliases": list(version.aliases),
            },
        )

    def failed(self, artifact: ArtifactName, staging: str, error: Exception) -> None:
        """`staging` stays as it was (I6). The kind of error is told too, as several are one errno."""
        self._add(artifact, {"event": "commit-failed", "staging": staging, "reason": str(error), "error": type(error).__name__})

    def _add(self, artifact: ArtifactName, line: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat()
        with self._lock:
            self._lines[artifact].append({"time": now, **line})

    def lines(self, artifact: ArtifactName) -> list[Mapping[str, Any]]:
        with self._lock:
            return list(self._lines.get(artifact, ()))
