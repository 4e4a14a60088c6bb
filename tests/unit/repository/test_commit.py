"""commit_entries and commit_edit: what becomes a version, what is kept, what is refused, and what is not written."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from artfs.config import Config
from artfs.content.ingest import Ingest
from artfs.content.walk import walk_directory
from artfs.errors import AlreadyExists, Conflict, InternalError, NameNotValid, NotFound, SourceNotReadable, UserError
from artfs.model.entry import Entry, PackId, directory_entry, pack_key, symlink_entry
from artfs.model.names import ArtifactName
from artfs.model.records import CommitOutcome, VersionRecord
from artfs.objectstore.open import open_objects
from artfs.registry.open import open_registry
from artfs.repository.commit import CommitRequest, begin_ingest, commit_edit, commit_entries
from artfs.repository.gc import collect_garbage
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository
from tests.conftest import MakeDataset
from tests.fault.versions import ARTIFACT, BEFORE, commit, read_all, resolve

REQUEST = CommitRequest(ARTIFACT, "dataset")


def _commit(repository: Repository, *entries: Entry) -> CommitOutcome:
    return commit_entries(repository, begin_ingest(repository, "tester"), entries, REQUEST)


def _commit_folder(repository: Repository, root: Path) -> CommitOutcome:
    ingest = begin_ingest(repository, "tester")
    walk = walk_directory(root)
    entries = [*ingest.add_files(walk.files), *map(directory_entry, walk.empty_directories)]
    return commit_entries(repository, ingest, entries, REQUEST)


def _edit(repository: Repository, base: VersionRecord, removed: list[str], added: dict[str, bytes]) -> CommitOutcome:
    ingest = begin_ingest(repository, "tester")
    entries = [ingest.add_bytes(data, path) for path, data in added.items()]
    return commit_edit(repository, ingest, base, removed, entries, REQUEST)


def test_unchanged_file_keeps_its_time_and_place(repository: Repository, dataset: MakeDataset) -> None:
    root = dataset()
    first = _commit_folder(repository, root)
    before = repository.manifest(first.version).get("labels.csv")
    (root / "labels.csv").touch()
    (root / "readme.txt").write_text("changed")
    second = _commit_folder(repository, root)
    assert second.version.number == 1
    assert repository.manifest(second.version).get("labels.csv") == before


def test_unchanged_folder_writes_nothing_and_makes_no_version(repository: Repository, dataset: MakeDataset) -> None:
    root = dataset()
    first = _commit_folder(repository, root)
    puts = repository.objects.counts()["put"]
    for path in root.rglob("*"):
        os.utime(path)
    second = _commit_folder(repository, root)
    assert not second.created
    assert second.version.number == first.version.number
    assert repository.objects.counts()["put"] == puts


def test_content_of_an_older_version_makes_no_version_and_writes_nothing(repository: Repository) -> None:
    one = commit(repository, BEFORE)
    commit(repository, {"other.txt": b"other"})
    puts = repository.objects.counts()["put"]
    again = commit(repository, BEFORE, aliases=["back"])
    assert not again.created
    assert again.version.id == one.version.id
    assert again.version.aliases == ("back", "latest")
    assert repository.objects.counts()["put"] == puts
    assert not repository.registry.leases.list_active()


def test_one_changed_file_stores_about_that_file(repository: Repository) -> None:
    files = {f"d/{number}": os.urandom(5000) for number in range(100)}
    commit(repository, files)
    before = repository.objects.counts()["bytes_written"]
    commit(repository, {**files, "d/7": os.urandom(5000)})
    assert repository.objects.counts()["bytes_written"] - before < 2 * 5000 + 100 * 150


def test_edit_removes_and_adds_and_keeps_the_rest(repository: Repository) -> None:
    base = commit(repository, {"a/one": b"1", "a/two": b"2", "b/three": b"3"}, empty_directories=["e"]).version
    edited = _edit(repository, base, ["b", "e"], {"c/d/four": b"4", "a/two": b"two"}).version
    assert read_all(repository, edited) == {"a/one": b"1", "a/two": b"two", "c/d/four": b"4"}
    whole = commit(repository, {"c/d/four": b"4", "a/one": b"1", "a/two": b"two"})
    assert not whole.created, "an edit and a whole commit of the same content have the same digest"
    assert whole.version.number == edited.number


def test_edit_back_to_an_older_version_is_that_version(repository: Repository) -> None:
    base = commit(repository, {"a": b"1"}).version
    second = _edit(repository, base, [], {"a": b"2"}).version
    assert second.number == 1
    again = _edit(repository, second, [], {"a": b"1"})
    assert (again.created, again.version.number) == (False, 0)
    assert "latest" in again.version.aliases


def test_edit_keeps_entries_that_did_not_change(repository: Repository) -> None:
    base = commit(repository, {"a": b"1", "b": b"2"}).version
    edited = _edit(repository, base, [], {"a": b"1", "b": b"3"}).version
    assert repository.manifest(edited).get("a") == repository.manifest(base).get("a")


@pytest.mark.parametrize("paths", [["x", "x/y"], ["x/y", "x"], ["x/y/z", "x/y"], ["x", "x/y/z"]])
def test_file_beside_paths_below_it_is_refused(repository: Repository, paths: list[str]) -> None:
    with pytest.raises(NameNotValid, match="x"):
        commit(repository, dict.fromkeys(paths, b"same"))
    assert repository.registry.collections.find(ARTIFACT) is None
    base = commit(repository, {paths[0]: b"same"}).version
    with pytest.raises(NameNotValid, match="x"):
        _edit(repository, base, [], {paths[1]: b"same"})
    assert [version.number for version in repository.registry.versions.list(ARTIFACT)] == [0]


def test_same_path_twice_is_refused_unless_equal(repository: Repository) -> None:
    one, two = symlink_entry("a", "one", 1), symlink_entry("a", "two", 1)
    with pytest.raises(NameNotValid, match="twice"):
        _commit(repository, one, two)
    assert _commit(repository, one, symlink_entry("a", "one", 2)).version.number == 0


@pytest.mark.parametrize("path", ["../a", "/a", "a//b", "a/", "./a", "", "a\0b", "x" * 256])
def test_paths_that_cannot_be_are_refused(repository: Repository, path: str) -> None:
    with pytest.raises(NameNotValid, match="valid path"):
        _commit(repository, Entry(path))


def test_content_of_one_entity_does_not_become_a_version_of_another(repository: Repository) -> None:
    ingest = begin_ingest(repository, "somebody-else")
    with pytest.raises(UserError, match="somebody-else"):
        commit_entries(repository, ingest, [], REQUEST)
    other = commit(repository, BEFORE, artifact=ArtifactName("other", "p", "a")).version
    with pytest.raises(UserError, match="another entity"):
        _edit(repository, other, [], {})


def test_content_of_another_entity_is_stored_again(repository: Repository) -> None:
    mine = commit(repository, BEFORE).version
    theirs = commit(repository, BEFORE, artifact=ArtifactName("other", "p", "a")).version
    assert mine.digest == theirs.digest
    packs = repository.registry.versions.needed_packs
    assert packs(mine.id).isdisjoint(packs(theirs.id))


def test_failed_commit_ends_its_lease_and_leaves_no_object(repository: Repository) -> None:
    ingest = begin_ingest(repository, "tester")
    entry = ingest.add_bytes(b"data", "a")
    with pytest.raises(AlreadyExists, match="v0"):
        commit_entries(repository, ingest, [entry], CommitRequest(ARTIFACT, "dataset", expected_number=5))
    assert not repository.leases.held
    assert not repository.registry.leases.list_active()
    ingest = begin_ingest(repository, "tester")
    with pytest.raises(NameNotValid):
        commit_entries(repository, ingest, [Entry("a"), Entry("a/b")], REQUEST)
    assert not repository.registry.leases.list_active()


def test_unreadable_source_leaves_the_ingest_usable(repository: Repository, tmp_path: Path) -> None:
    ingest = begin_ingest(repository, "tester")
    with pytest.raises(SourceNotReadable, match="absent"):
        ingest.add_file(tmp_path / "absent", "absent")
    entry = ingest.add_bytes(b"there", "there")
    assert commit_entries(repository, ingest, [entry], REQUEST).version.file_count == 1


def test_abort_may_be_repeated_and_frees_what_was_stored(repository: Repository) -> None:
    ingest = begin_ingest(repository, "tester")
    ingest.add_bytes(os.urandom(100_000), "a")
    Ingest.finish(ingest)  # as if a large commit had put its first packs
    assert list(repository.objects.iter_objects("packs/"))
    ingest.abort()
    ingest.abort()
    assert not list(repository.objects.iter_objects("packs/"))
    assert not list(repository.registry.packs.iter_all())
    assert not repository.registry.leases.list_active()


def test_ingest_that_nobody_holds_any_more_ends_its_lease(repository: Repository) -> None:
    ingest = begin_ingest(repository, "tester")
    lease = ingest.lease
    del ingest
    gc.collect()
    assert lease in repository.leases.dropped


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_that_cleans_up_leaves_the_commit_of_its_parent_alone(repository: Repository) -> None:
    ingest = begin_ingest(repository, "tester")
    entry = ingest.add_bytes(os.urandom(1000), "a")
    ingest.finish()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            ingest.abort()
            lease = ingest.lease
            del ingest
            gc.collect()
            code = 2 if lease in repository.leases.dropped else 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 0
    assert commit_entries(repository, ingest, [entry], REQUEST).created


def test_ingest_without_a_lease_is_refused(repository: Repository) -> None:
    lease = repository.leases.open("tester")
    packs = repository.registry.packs
    plain = Ingest(entity="tester", lease=lease, objects=repository.objects, packs=packs, memo_dir=None)
    with pytest.raises(InternalError, match="begin_ingest"):
        commit_entries(repository, plain, [], REQUEST)
    repository.leases.end(lease)


def test_version_without_files_is_a_version(repository: Repository) -> None:
    outcome = _commit(repository)
    assert (outcome.version.file_count, outcome.version.size) == (0, 0)
    assert repository.manifest(outcome.version).list() == []
    assert _commit(repository, directory_entry("only/directories")).version.number == 1


def test_edit_of_a_deleted_base_works_while_its_content_is_there(repository: Repository) -> None:
    base = commit(repository, {"a": b"1"}).version
    repository.registry.versions.delete(base.id, delete_aliases=True)
    with pytest.raises(NotFound):
        resolve(repository, "v0")
    edited = _edit(repository, base, [], {"b": b"2"}).version
    assert read_all(repository, edited) == {"a": b"1", "b": b"2"}, "the packs were still there, and are needed again"


def test_edit_of_a_base_that_gc_has_collected_is_a_clear_error(repository: Repository) -> None:
    base = commit(repository, {"a": b"1"}).version
    commit(repository, {"b": b"2"})
    manifest = repository.manifest(base)
    assert manifest.get("a")
    repository.registry.versions.delete(base.id, delete_aliases=True)
    collect_garbage(repository, grace_s=0)
    with pytest.raises(Conflict, match="collected"):
        _edit(repository, base, [], {"b": b"3"})
    assert not repository.registry.leases.list_active()
    assert [version.number for version in repository.registry.versions.list(ARTIFACT)] == [1]


def test_manifest_packs_are_durable_before_the_version_names_them(config: Config) -> None:
    """I1, seen from the registry: at the moment of the commit transaction all packs are there."""
    registry = open_registry(config.registry)
    objects = open_objects(config.objects)
    with assemble_repository(config, registry, objects) as repository:
        version = commit(repository, {**BEFORE, "large": os.urandom(500_000)}).version
        needed: frozenset[PackId] = registry.versions.needed_packs(version.id)
        packs = {pack.id: pack for pack in registry.packs.iter_all()}
        assert needed == packs.keys()
        assert all(pack.committed and objects.size(pack_key(pack.id)) == pack.size for pack in packs.values())
