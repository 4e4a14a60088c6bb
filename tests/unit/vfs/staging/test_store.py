"""Staging directories coming and going, and becoming versions."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.errors import AlreadyExists, Busy, IntegrityError, NameNotValid, NotFound, UserError
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository
from artfs.vfs.staging.commit import commit_staging
from artfs.vfs.staging.options import StagingOptions
from artfs.vfs.staging.store import StagingStore
from tests.unit.vfs.staging.doubles import get, put, tree_of

BIKES = ArtifactName("tester", "default", "bikes")


@pytest.fixture
def store(repository: Repository) -> Iterator[StagingStore]:
    repository.registry.collections.ensure(BIKES, "dataset")
    opened = StagingStore(repository.config.staging_dir, repository)
    yield opened
    opened.close()


@pytest.fixture
def first(repository: Repository, store: StagingStore) -> VersionRecord:
    """v0: two files in a directory, one of them executable."""
    directory = store.create(BIKES, "first")
    directory.mkdir("data")
    put(directory, "data/table.csv", b"a,b\n")
    put(directory, "data/run.sh", b"#!/bin/sh\n", 0o755)
    directory.symlink("data/table.csv", "table")
    return commit_staging(repository, directory).version


def folder(repository: Repository, name: str = "") -> Path:
    return repository.config.staging_dir / "tester" / "default" / "bikes" / name


def test_staging_directories_are_made_listed_renamed_and_removed(repository: Repository, store: StagingStore) -> None:
    assert store.list(BIKES) == []
    directory = store.create(BIKES, "one")
    assert store.open(BIKES, "one") is directory
    store.create(BIKES, "two")
    store.put_options(BIKES, "one", b'{"description": "mine"}')
    assert (store.list(BIKES), store.list_options(BIKES)) == (["one", "two"], ["one.json"])
    put(store.open(BIKES, "one"), "f", b"x")
    renamed = store.rename(BIKES, "one", "three")
    assert get(renamed, "f") == b"x"
    assert store.get_options(BIKES, "three").description == "mine"
    assert (store.list(BIKES), store.list_options(BIKES)) == (["three", "two"], ["three.json"])
    store.remove(BIKES, "two")
    with pytest.raises(OSError, match="three") as caught:
        store.remove(BIKES, "three")
    assert caught.value.errno == errno.ENOTEMPTY
    store.remove(BIKES, "three", force=True)
    assert sorted(path.name for path in folder(repository).iterdir()) == [".new", ".trash"]
    assert [*folder(repository, ".trash").iterdir(), *folder(repository, ".new").iterdir()] == []


@pytest.mark.parametrize("name", ["", ".hidden", "x.json", "a/b", "a\nb", "n" * 201, "\udcff", ".."])
def test_names_that_would_be_mistaken_are_refused(store: StagingStore, name: str) -> None:
    with pytest.raises(NameNotValid):
        store.create(BIKES, name)
    assert not store.has(BIKES, name)


def test_taken_and_missing_names_are_said(store: StagingStore) -> None:
    store.create(BIKES, "one")
    store.create(BIKES, "two")
    with pytest.raises(AlreadyExists, match="one"):
        store.create(BIKES, "one")
    with pytest.raises(AlreadyExists, match="two"):
        store.rename(BIKES, "one", "two")
    with pytest.raises(NotFound, match="three"):
        store.open(BIKES, "three")
    with pytest.raises(NotFound, match="three"):
        store.remove(BIKES, "three", force=True)
    assert store.list(BIKES) == ["one", "two"]


def test_what_was_written_is_there_for_the_next_process(repository: Repository, store: StagingStore, first: VersionRecord) -> None:
    directory = store.create(BIKES, "edit", first)
    put(directory, "data/table.csv", b"c,d\n")
    directory.rename("data", "moved")
    expected = tree_of(directory)
    again = StagingStore(repository.config.staging_dir, repository)
    assert tree_of(again.open(BIKES, "edit")) == expected
    assert again.list(BIKES) == ["edit"]
    again.close()


def test_commit_makes_a_version_and_removes_the_directory(
    repository: Repository, store: StagingStore, first: VersionRecord
) -> None:
    assert (first.number, first.file_count, first.aliases) == (0, 2, ("latest",))
    manifest = repository.manifest(first)
    script = manifest.get("data/run.sh")
    assert script is not None
    assert script.executable
    assert store.list(BIKES) == []
    assert list(folder(repository, ".trash").iterdir()) == []


def test_editing_one_file_keeps_the_entries_of_the_others(
    repository: Repository, store: StagingStore, first: VersionRecord
) -> None:
    directory = store.create(BIKES, "edit", first)
    put(directory, "data/table.csv", b"a,b\n1,2\n")
    os.close(directory.open("data/run.sh", os.O_RDWR))  # copied up, but not changed
    outcome = commit_staging(repository, directory)
    assert outcome.created
    old, new = repository.manifest(first), repository.manifest(outcome.version)
    assert new.get("data/run.sh") == old.get("data/run.sh")
    assert new.get("data/table.csv") != old.get("data/table.csv")
    assert [entry.path for entry in new.iter_entries()] == [entry.path for entry in old.iter_entries()]


def test_unchanged_content_makes_no_new_version(repository: Repository, store: StagingStore, first: VersionRecord) -> None:
    directory = store.create(BIKES, "edit", first)
    os.close(directory.open("data/table.csv", os.O_RDWR))
    directory.utimens("data/table.csv", 1, 1)
    outcome = commit_staging(repository, directory, StagingOptions(aliases=("same",)))
    assert (outcome.created, outcome.version.number) == (False, 0)
    assert outcome.version.aliases == ("latest", "same")


def test_options_file_and_arguments_are_both_followed(repository: Repository, store: StagingStore) -> None:
    directory = store.create(BIKES, "draft")
    store.put_options(BIKES, "draft", b'{"aliases": ["a"], "description": "said", "metadata": {"k": 1}}')
    version = commit_staging(repository, directory, StagingOptions(aliases=("b",), metadata={"l": 2})).version
    assert (version.aliases, version.description, version.metadata) == (("a", "b", "latest"), "said", {"k": 1, "l": 2})
    assert store.list_options(BIKES) == []


def test_failed_commit_leaves_everything_as_it_was(repository: Repository, store: StagingStore, first: VersionRecord) -> None:
    directory = store.create(BIKES, "edit", first)
    put(directory, "data/table.csv", b"new\n")
    before = tree_of(directory)
    with pytest.raises(AlreadyExists):
        commit_staging(repository, directory, expected_number=7)
    folder(repository, "edit.json").write_text("{")
    with pytest.raises(UserError, match=r"edit\.json"):
        commit_staging(repository, directory)
    folder(repository, "edit.json").unlink()
    assert tree_of(directory) == before
    assert store.list(BIKES) == ["edit"]
    assert commit_staging(repository, directory, expected_number=1).version.number == 1


def test_committed_again_after_a_crash_before_the_removal_it_is_the_same_version(
    repository: Repository, store: StagingStore, first: VersionRecord, tmp_path: Path
) -> None:
    directory = store.create(BIKES, "edit", first)
    put(directory, "data/table.csv", b"new\n")
    crashed = folder(repository, "crashed")
    shutil.copytree(directory.folder, crashed, symlinks=True)  # what the disk holds when the process dies there
    outcome = commit_staging(repository, directory)
    again = commit_staging(repository, store.open(BIKES, "crashed"))
    assert outcome.created
    assert not again.created
    assert again.version.id == outcome.version.id


def test_base_that_was_deleted_is_said_and_what_was_written_stays(
    repository: Repository, store: StagingStore, first: VersionRecord
) -> None:
    directory = store.create(BIKES, "edit", first)
    put(directory, "mine", b"precious")
    repository.registry.versions.delete(first.id, delete_aliases=True)
    with pytest.raises(NotFound, match="was deleted") as caught:
        commit_staging(repository, directory)
    assert str(directory.upper) in str(caught.value)
    store.close()
    with pytest.raises(NotFound, match="was deleted"):
        store.open(BIKES, "edit")
    assert (folder(repository, "edit") / "upper" / "mine").read_bytes() == b"precious"
    store.remove(BIKES, "edit", force=True)
    assert store.list(BIKES) == []


@pytest.mark.parametrize("note", ["", "{}", "[]", '{"format": 9}', '{"format": 1, "entity": "e"}'])
def test_damaged_note_about_the_base_is_said(repository: Repository, store: StagingStore, first: VersionRecord, note: str) -> None:
    store.create(BIKES, "edit", first)
    store.close()
    (folder(repository, "edit") / "base.json").write_text(note)
    with pytest.raises(IntegrityError, match=r"base\.json"):
        store.open(BIKES, "edit")


def test_note_about_the_base_names_the_version(repository: Repository, store: StagingStore, first: VersionRecord) -> None:
    store.create(BIKES, "edit", first)
    note = json.loads((folder(repository, "edit") / "base.json").read_bytes())
    assert note == {
        "format": 1,
        "entity": "tester",
        "project": "default",
        "artifact": "bikes",
        "number": 0,
        "version_id": first.id,
    }


def test_directory_that_another_process_changes_is_not_committed(repository: Repository, store: StagingStore) -> None:
    directory = store.create(BIKES, "draft")
    other = os.open(directory.folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(Busy, match="another process"):
        commit_staging(repository, directory)
    os.close(other)
    assert commit_staging(repository, directory).version.number == 0


def test_directory_that_another_process_committed_is_found_gone(repository: Repository, store: StagingStore) -> None:
    mine = store.create(BIKES, "draft")
    other = StagingStore(repository.config.staging_dir, repository)
    commit_staging(repository, other.open(BIKES, "draft"))
    with pytest.raises(FileNotFoundError):
        mine.stat("")
    with pytest.raises(NotFound):
        store.open(BIKES, "draft")
    assert store.create(BIKES, "draft") is not mine
    other.close()


def test_trees_without_write_permission_are_removed_too(repository: Repository, store: StagingStore) -> None:
    directory = store.create(BIKES, "draft")
    directory.mkdir("closed")
    put(directory, "closed/f", b"x")
    directory.chmod("closed", 0o500)
    commit_staging(repository, directory)
    assert list(folder(repository, ".trash").iterdir()) == []


def test_base_of_another_entity_is_refused(store: StagingStore, first: VersionRecord) -> None:
    with pytest.raises(UserError, match="entity"):
        store.create(ArtifactName("other", "default", "bikes"), "edit", first)


def test_base_may_be_a_version_of_another_artifact(repository: Repository, store: StagingStore, first: VersionRecord) -> None:
    trikes = ArtifactName("tester", "default", "trikes")
    repository.registry.collections.ensure(trikes, "dataset")
    directory = store.create(trikes, "edit", first)
    put(directory, "more", b"more")
    version = commit_staging(repository, directory).version
    assert (version.artifact, version.file_count) == (trikes, 3)
    assert repository.registry.versions.resolve(VersionName(BIKES, "latest")).number == 0
