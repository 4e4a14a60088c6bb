"""Ingest with the real registry and a real folder: deduplication and the memo across commits."""

from __future__ import annotations

import os
from pathlib import Path

from artfs.content.ingest import Ingest
from artfs.content.walk import walk_directory
from artfs.model.names import ArtifactName
from artfs.model.records import CommitOutcome
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.repository import Repository
from tests.unit.content.made_bytes import noise

NAME = ArtifactName("tester", "default", "data")


def commit(repository: Repository, folder: Path) -> tuple[CommitOutcome, Ingest]:
    ingest = begin_ingest(repository, "tester")
    entries = ingest.add_files(walk_directory(folder).files)
    return commit_entries(repository, ingest, entries, CommitRequest(NAME, "dataset")), ingest


def make(folder: Path) -> Path:
    for number in range(300):
        place = folder / f"d{number % 5}" / f"f{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(noise(number * 300, number))
    (folder / "long").write_bytes(noise(9 << 20))
    return folder


def test_a_folder_becomes_a_version_and_comes_back(repository: Repository, tmp_path: Path) -> None:
    folder = make(tmp_path / "src")
    outcome, _ = commit(repository, folder)
    manifest = repository.manifest(outcome.version)
    assert manifest.file_count == 301
    for path, place in walk_directory(folder).files:
        entry = manifest.get(path)
        assert entry is not None
        assert repository.reader.read(entry, 0, entry.size) == place.read_bytes()


def test_one_changed_file_costs_its_chunks_its_page_and_the_root(repository: Repository, tmp_path: Path) -> None:
    folder = make(tmp_path / "src")
    commit(repository, folder)
    before = repository.objects.counts()["bytes_written"]
    (folder / "d1" / "f1").write_bytes(noise(20_000, 9999))
    outcome, _ = commit(repository, folder)
    assert outcome.created
    assert repository.objects.counts()["bytes_written"] - before < 2 * 20_000 + (256 << 10)


def test_unchanged_content_stores_nothing_and_makes_no_version(repository: Repository, tmp_path: Path) -> None:
    folder = make(tmp_path / "src")
    first, _ = commit(repository, folder)
    before = repository.objects.counts()["bytes_written"]
    os.utime(folder / "d1" / "f1")
    again, _ = commit(repository, folder)
    assert not again.created
    assert again.version.id == first.version.id
    assert repository.objects.counts()["bytes_written"] == before


def test_two_commits_at_once_do_not_see_each_others_chunks(repository: Repository, tmp_path: Path) -> None:
    place = tmp_path / "f"
    place.write_bytes(noise(10_000))
    one, two = begin_ingest(repository, "tester"), begin_ingest(repository, "tester")
    first, second = one.add_file(place, "f"), two.add_file(place, "f")
    assert first.content != second.content
    one.abort()
    outcome = commit_entries(repository, two, [second], CommitRequest(NAME, "dataset"))
    entry = repository.manifest(outcome.version).get("f")
    assert entry is not None
    assert repository.reader.read(entry, 0, 10_000) == place.read_bytes()
