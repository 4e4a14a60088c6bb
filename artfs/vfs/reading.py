"""What the nodes of versions need to read: the content reader, and the note of what a run touches."""

from __future__ import annotations

from dataclasses import dataclass

from artfs.content.reader import ContentReader
from artfs.vfs.touched import TouchedVersions


@dataclass(frozen=True, slots=True)
class ContentReading:
    """Shared by all nodes of a mount. Thread-safe, as its parts are."""

    reader: ContentReader
    touched: TouchedVersions
