"""Versions that refer to content in memory."""

from __future__ import annotations

from collections.abc import Mapping

from artfs.model.entry import Entry
from artfs.model.records import VersionRecord
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.repository import Repository
from tests.fault.versions import ARTIFACT
from tests.unit.content.made_bytes import noise
from tests.unit.content.memory_home import MTIME_NS

SMALL, LARGE = noise(5000, 1), noise((3 << 20) + 5, 2)


def commit(repository: Repository, references: Mapping[str, Entry]) -> VersionRecord:
    """A version of one stored file and of `references` at their paths."""
    ingest = begin_ingest(repository, "tester")
    stored = ingest.add_bytes(b"stored", "readme.txt", mtime_ns=MTIME_NS)
    entries = [stored, *(entry.at(path) for path, entry in references.items())]
    return commit_entries(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset")).version
