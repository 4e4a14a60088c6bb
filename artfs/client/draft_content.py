"""What a draft came to: a value, which is handed to whoever makes a version of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from artfs.config import Config
from artfs.content.ingest import Ingest
from artfs.model.digest import Digest
from artfs.model.entry import Entry, with_parents
from artfs.model.manifest_root import version_digest
from artfs.model.page import canonical_digest, cut_into_pages


@dataclass(frozen=True, slots=True)
class DraftContent:
    """What a draft came to: its entries, and the ingest that holds their bytes (None if nothing was ever added).

    `sources` are the local files that entries were taken from, by their paths; they may have changed since.
    """

    entries: Sequence[Entry]
    config: Config | None
    ingest: Ingest | None
    sources: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> Digest:
        """The digest of the version that this content is or would be."""
        return version_digest(canonical_digest(page) for page in cut_into_pages(with_parents(self.entries)))
