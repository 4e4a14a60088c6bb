"""A version that was moved to other packs is the same version: for those who read it, edit it or log it again (I2, I4)."""

from __future__ import annotations

import os

import pytest

from artfs.config import Config
from artfs.errors import Conflict
from artfs.model.names import ArtifactName
from artfs.repository.commit import CommitRequest, begin_ingest, commit_edit
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.vfs.reading import ContentReading
from artfs.vfs.touched import TouchedVersions
from artfs.vfs.version_nodes import VersionFile
from artfs.vfs.views import Views
from tests.fault.moving import move_and_collect
from tests.fault.versions import ARTIFACT, BEFORE, assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, read_all, resolve

OTHER = ArtifactName("tester", "default", "other")


def test_entries_and_manifests_that_are_held_are_read_where_they_lie_now(repository: Repository, config: Config) -> None:
    files = {**BEFORE, **{f"many/{number:04}": b"%d" % number for number in range(600)}}
    version = commit(repository, files).version
    with open_repository(config) as reading:  # nothing of it in memory
        manifest = reading.manifest(version)
        entry = manifest.get("a/one.bin")
        assert entry is not None
        moved = move_and_collect(repository, version)
        assert not reading.objects.has(f"packs/{version.manifest.pack[:12].hex()}/{version.manifest.pack[12:].hex()}")
        with open_repository(config) as fresh:  # that has no file of the old packs open
            assert fresh.reader.read(entry, 0, entry.size) == files["a/one.bin"]
        assert len(manifest.list("many")) == 600
        assert read_all(reading, version) == files, "by a record of before, too"
        assert read_all(reading, moved) == files
    assert_sound(repository)
    assert_gc_leaves_exactly_what_is_needed(repository)


def test_file_of_a_deleted_version_is_read_from_an_equal_one(repository: Repository, config: Config) -> None:
    data = os.urandom(300_000)
    version = commit(repository, {"a": data}).version
    with open_repository(config) as reading:
        entry = reading.manifest(version).get("a")
        assert entry is not None
        other = commit(repository, {"b": data, "c": b"c"}, artifact=OTHER).version
        move_and_collect(repository, other)
        repository.registry.versions.delete(version.id, delete_aliases=True)
        move_and_collect(repository, repository.registry.versions.get(other.id))
        with open_repository(config) as fresh:  # that has no file of the old packs open
            assert fresh.reader.read(entry, 0, entry.size) == data


def test_long_file_that_a_mount_knows_is_read_on_where_it_was_moved_to(repository: Repository, config: Config) -> None:
    data = os.urandom(80 << 20)  # of more than 1024 chunks, which are in lists
    version = commit(repository, {"long": data}).version
    with open_repository(config) as reading:
        view = Views(reading).show(version, "v0", "v0")
        entry = view.manifest.get("long")
        assert entry is not None
        assert entry.content.is_indirect
        move_and_collect(repository, version)
        with open_repository(config) as fresh:  # that has no file of the old packs open
            file = VersionFile(ContentReading(fresh.reader, TouchedVersions(fresh, None)), view, entry)
            assert file.read(70 << 20, 1000) == data[70 << 20 : (70 << 20) + 1000]
            assert file.entry.content != entry.content


def test_edit_of_a_version_that_was_moved_meanwhile_is_committed(repository: Repository) -> None:
    files = {**BEFORE, **{f"many/{number:04}": b"%d" % number for number in range(600)}}
    base = commit(repository, files).version
    assert read_all(repository, base) == files, "its pages are in memory"
    move_and_collect(repository, base)
    ingest = begin_ingest(repository, "tester")
    new = ingest.add_bytes(b"new", "new")
    edited = commit_edit(repository, ingest, base, ["gone.txt"], [new], CommitRequest(ARTIFACT, "dataset")).version
    assert read_all(repository, edited) == {**{path: files[path] for path in files if path != "gone.txt"}, "new": b"new"}
    assert_sound(repository)
    assert_gc_leaves_exactly_what_is_needed(repository)


def test_content_of_a_version_that_was_moved_is_that_version(repository: Repository) -> None:
    base = commit(repository, BEFORE).version
    move_and_collect(repository, base)
    again = commit(repository, BEFORE)
    assert (again.created, again.version.id) == (False, base.id)
    assert read_all(repository, resolve(repository, "latest")) == BEFORE
    assert_gc_leaves_exactly_what_is_needed(repository)


@pytest.mark.parametrize("size", [1000, 80 << 20], ids=["short", "long"])
def test_entry_of_a_base_that_was_moved_is_committed_under_another_path(repository: Repository, size: int) -> None:
    """What a rename in a staging directory does, begun before a repack and committed after it."""
    data = os.urandom(size)
    base = commit(repository, {"old": data, "other": b"other"}).version
    entry = repository.manifest(base).get("old")
    assert entry is not None
    assert entry.content.is_indirect is (size > 1000)
    move_and_collect(repository, base)
    ingest = begin_ingest(repository, "tester")
    edited = commit_edit(repository, ingest, base, ["old"], [entry.at("new")], CommitRequest(ARTIFACT, "dataset")).version
    assert read_all(repository, edited) == {"new": data, "other": b"other"}
    assert_sound(repository)
    assert_gc_leaves_exactly_what_is_needed(repository)


def test_entry_whose_content_is_nowhere_any_more_is_a_conflict(repository: Repository) -> None:
    base = commit(repository, BEFORE).version
    other = commit(repository, {"own": os.urandom(1000)}, artifact=OTHER).version
    (entry,) = repository.manifest(other).iter_entries()
    repository.registry.versions.delete(other.id, delete_aliases=True)
    collect_garbage(repository, grace_s=0)
    collect_garbage(repository, grace_s=0)
    ingest = begin_ingest(repository, "tester")
    with pytest.raises(Conflict, match="needs stored content that has just been collected"):
        commit_edit(repository, ingest, base, [], [entry], CommitRequest(ARTIFACT, "dataset"))
    assert resolve(repository, "latest").id == base.id
