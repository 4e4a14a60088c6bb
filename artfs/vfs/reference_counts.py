"""How many references versions have, for their information files. Any thread.

A manifest does not say it, so its pages are read: once for each version, and not where they are many, as `ls -l` of a directory of
information files asks for them all.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from artfs.content.manifests import Manifest
from artfs.model.entry import ChunkRef, Kind

#: About 30 000 entries, which are read in a tenth of a second.
_MOST_PAGES = 64
_MOST_KEPT = 4096


class ReferenceCounts:
    """What was counted lately, by the root of the manifest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[ChunkRef, dict[str, int]] = OrderedDict()

    def get(self, manifest: Manifest) -> dict[str, int] | None:
        """`{"count", "size"}`: size is in bytes, as far as it was recorded. None where counting would take long."""
        root = manifest.root
        if len(manifest.pages) > _MOST_PAGES:
            return None
        with self._lock:
            if root in self._counts:
                return self._counts[root]
        found = [entry.size for entry in manifest.iter_entries() if entry.kind is Kind.REFERENCE]
        counted = {"count": len(found), "size": sum(found)}
        with self._lock:
            self._counts[root] = counted
            while len(self._counts) > _MOST_KEPT:
                self._counts.popitem(last=False)
        return counted
