"""The files of a version, and of an artifact that is being built, for the objects that are read from them.

Thread-safe as the manifest, the draft and the reader are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from artfs.client.data_types.stored_file import StoredFile
from artfs.client.draft import Draft
from artfs.client.session import SESSION
from artfs.config import Config
from artfs.content.reader import ContentReader
from artfs.model.entry import Entry, Kind
from artfs.model.records import VersionRecord


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """The files of a version; each is read when it is asked for."""

    config: Config
    record: VersionRecord

    @property
    def name(self) -> str:
        return self.record.name

    def find(self, path: str) -> Entry | None:
        return SESSION.repository(self.config).manifest(self.record).get(path)

    def below(self, path: str) -> Sequence[Entry]:
        entries = SESSION.repository(self.config).manifest(self.record).iter_entries(path)
        return [entry for entry in entries if entry.kind in {Kind.FILE, Kind.REFERENCE} and entry.path != path]

    def open(self, entry: Entry) -> StoredFile:
        return _open(SESSION.repository(self.config).reader, entry)


@dataclass(frozen=True, slots=True)
class DraftFiles:
    """The files that were added so far."""

    draft: Draft

    @property
    def name(self) -> str:
        return f"the artifact {self.draft.name!r}"

    def find(self, path: str) -> Entry | None:
        return self.draft.find(path)

    def below(self, path: str) -> Sequence[Entry]:
        entries = self.draft.content().entries
        return [entry for entry in entries if entry.path.startswith(f"{path}/") and entry.kind in {Kind.FILE, Kind.REFERENCE}]

    def open(self, entry: Entry) -> StoredFile:
        return _open(SESSION.repository(self.draft.make_readable()).reader, entry)


def _open(reader: ContentReader, entry: Entry) -> StoredFile:
    return StoredFile(partial(reader.read, entry), reader.size(entry))
