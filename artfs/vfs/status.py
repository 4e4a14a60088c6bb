"""What `/.artfs/status.json` says of a mount. Any thread."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from artfs.repository.repository import Repository
from artfs.version import __version__


@dataclass(slots=True, eq=False)
class MountStatus:
    """Facts about the mount that do not change, and counts that do. `gauges` are asked when somebody looks."""

    repository: Repository
    facts: Mapping[str, Any]
    gauges: dict[str, Callable[[], Any]] = field(default_factory=dict)
    _requests: Counter[str] = field(default_factory=Counter)
    _started_s: float = field(default_factory=time.time)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, request: str) -> None:
        """One more request of that name."""
        with self._lock:
            self._requests[request] += 1

    def text(self) -> bytes:
        with self._lock:
            requests = dict(sorted(self._requests.items()))
        shown = {
            "artfs": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.time() - self._started_s, 1),
            **self.facts,
            "requests": requests,
            "object_store": dict(self.repository.objects.counts()),
            "references": asdict(self.repository.reader.reference_counts()),
            "cache": None if self.repository.cache is None else self.repository.cache.facts(),
            **{name: ask() for name, ask in self.gauges.items()},
        }
        return json.dumps(shown, indent=2, default=str).encode() + b"\n"
