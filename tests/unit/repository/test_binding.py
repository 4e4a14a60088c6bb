"""Registry and object store belong together, or nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typing_extensions import Buffer

from artfs.config import Config, load_config
from artfs.errors import ArtfsError, ConfigNotValid, IntegrityError, PackMissing
from artfs.model.names import ArtifactName
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.protocol import ObjectStore
from artfs.registry.open import open_registry
from artfs.repository.binding import MARK_KEY, decode_mark, ensure_bound
from artfs.repository.commit import CommitRequest
from artfs.repository.commit_folder import commit_folder
from artfs.repository.gc import collect_garbage
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository
from artfs.repository.verify import verify_repository

PETS = ArtifactName("team", "demo", "pets")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "cat").write_bytes(b"a cat")
    return folder


def settings(tmp_path: Path, registry: str = "registry") -> Config:
    return load_config(
        {}, environ={"ARTFS_HOME": str(tmp_path / "home"), "ARTFS_REGISTRY": f"sqlite:///{tmp_path}/{registry}.sqlite"}
    )


def open_over(config: Config, objects: ObjectStore) -> Repository:
    return assemble_repository(config, open_registry(config.registry), objects)


def put(repository: Repository, source: Path) -> None:
    commit_folder(repository, source, CommitRequest(PETS, type="dataset"))


def test_the_first_write_binds_registry_and_store(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        assert not objects.has(MARK_KEY)
        put(repository, source)
        identity = repository.registry.identity.get()
        assert json.loads(objects.get(MARK_KEY)) == {"format": 1, "store": identity.store_id, "registry": identity.registry_id}
    with open_over(settings(tmp_path), objects) as again:
        ensure_bound(again)


def test_the_bond_is_looked_at_once_in_a_process(tmp_path: Path, source: Path) -> None:
    with open_over(settings(tmp_path), MemoryStore()) as repository:
        put(repository, source)
        asked = repository.objects.counts()["get"]
        ensure_bound(repository)
        collect_garbage(repository)
        assert repository.objects.counts()["get"] == asked


def test_two_registries_cannot_share_a_store(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as one, open_over(settings(tmp_path, "other"), objects) as two:
        put(one, source)
        for write in (lambda: put(two, source), lambda: collect_garbage(two), lambda: collect_garbage(two, dry_run=True)):
            with pytest.raises(ConfigNotValid, match=r"belongs to another registry .*set ARTFS_OBJECTS to an empty place"):
                write()
        assert list(two.registry.versions.iter_live()) == []
        put(one, source)


class LastWins(MemoryStore):
    """A store that takes a second object under a key, and lets `meanwhile` act once something else than the mark was stored."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        self.delete(key)
        super().put(key, data)
        if key != MARK_KEY:
            self.meanwhile()


def test_a_registry_whose_mark_was_overwritten_by_another_one_commits_nothing(tmp_path: Path, source: Path) -> None:
    objects = LastWins()
    with open_over(settings(tmp_path), objects) as one, open_over(settings(tmp_path, "other"), objects) as two:

        def overwrite() -> None:
            objects.meanwhile = lambda: None
            objects.delete(MARK_KEY)  # which the other one did not see when it looked
            ensure_bound(two)

        objects.meanwhile = overwrite
        for _ in range(2):
            with pytest.raises(ConfigNotValid, match=r"belongs to another registry .*set ARTFS_OBJECTS to an empty place"):
                put(one, source)
        assert list(one.registry.versions.iter_live()) == []
        put(two, source)
        assert len(list(two.registry.versions.iter_live())) == 1


def test_reading_from_a_store_that_is_not_the_registry_s_says_so(tmp_path: Path, source: Path) -> None:
    objects, other = MemoryStore(), MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
    with open_over(settings(tmp_path, "other"), other) as repository:
        put(repository, source)
    for wrong, said in ((MemoryStore(), "has none of what the registry"), (other, "belongs to another registry")):
        with open_over(settings(tmp_path), wrong) as reader, pytest.raises(ConfigNotValid, match=said):
            list(reader.manifest(next(reader.registry.versions.iter_live())).iter_entries())


def test_a_lost_pack_of_the_registry_s_own_store_is_told_as_that(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
    for info in list(objects.iter_objects("packs/")):
        objects.delete(info.key)
    with open_over(settings(tmp_path), objects) as reader, pytest.raises(PackMissing, match="artfs verify"):
        list(reader.manifest(next(reader.registry.versions.iter_live())).iter_entries())


def test_a_registry_that_was_deleted_and_made_anew_is_refused_by_its_store(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
    for file in tmp_path.glob("registry.sqlite*"):
        file.unlink()
    with open_over(settings(tmp_path), objects) as anew, pytest.raises(ConfigNotValid, match="restore it from a backup"):
        put(anew, source)


def test_a_registry_cannot_be_used_with_a_second_store(tmp_path: Path, source: Path) -> None:
    with open_over(settings(tmp_path), MemoryStore()) as repository:
        put(repository, source)
    empty = MemoryStore()
    refused = pytest.raises(ConfigNotValid, match=r"has none of what the registry .* has stored: set ARTFS_OBJECTS")
    with open_over(settings(tmp_path), empty) as elsewhere, refused:
        put(elsewhere, source)
    assert list(empty.iter_objects()) == []


def test_stores_and_registries_of_before_are_bound_at_the_first_write(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
    # As they were before the bond.
    objects.delete(MARK_KEY)
    forget_store(settings(tmp_path))
    (source / "dog").write_bytes(b"a dog")
    with open_over(settings(tmp_path), objects) as repository:
        ensure_bound(repository, dry_run=True)
        assert not objects.has(MARK_KEY)
        put(repository, source)
        assert decode_mark(objects.get(MARK_KEY)).store_id == repository.registry.identity.get().store_id


def forget_store(config: Config) -> None:
    import sqlite3

    connection = sqlite3.connect(config.registry.removeprefix("sqlite:///"))
    with connection:
        connection.execute("UPDATE identity SET store_id = NULL")
    connection.close()


def test_a_process_that_died_between_both_marks_is_finished_by_the_next(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
    forget_store(settings(tmp_path))
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
        assert repository.registry.identity.get().store_id is not None


def test_who_looked_at_a_bond_that_is_half_made_binds_when_he_writes(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
    forget_store(settings(tmp_path))
    with open_over(settings(tmp_path), objects) as repository:
        ensure_bound(repository, dry_run=True)
        assert repository.registry.identity.get().store_id is None
        put(repository, source)
        assert repository.registry.identity.get().store_id is not None


def test_a_mark_that_was_lost_is_made_again_where_the_packs_are(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
    objects.delete(MARK_KEY)
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
        assert objects.has(MARK_KEY)


def test_the_mark_is_no_garbage_and_no_unknown_object(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
        collect_garbage(repository, grace_s=0)
        report = verify_repository(repository, read_data=True)
        assert report.is_sound
        assert report.unknown_objects == 0
        assert objects.has(MARK_KEY)


def test_reading_does_not_look_at_the_bond(tmp_path: Path, source: Path) -> None:
    objects = MemoryStore()
    with open_over(settings(tmp_path), objects) as repository:
        put(repository, source)
    with open_over(settings(tmp_path), objects) as reader:
        version = next(reader.registry.versions.iter_live())
        assert [entry.path for entry in reader.manifest(version).iter_entries()][-1] == "cat"
        assert not reader.bound.is_set()


@pytest.mark.parametrize(
    "data",
    [
        *[b"", b"\xff", b"[]", b"{}", b'{"format": "1"}', b'{"format": 1}', b"[" * 4000, b" " * 5000],
        *[b'{"format": 1, "store": %s, "registry": "a"}' % store for store in (b"1", b'""', b'"a b"', b'"%s"' % (b"a" * 65))],
    ],
)
def test_a_damaged_mark_is_an_integrity_error(tmp_path: Path, source: Path, data: bytes) -> None:
    objects = MemoryStore()
    objects.put(MARK_KEY, [data])
    with open_over(settings(tmp_path), objects) as repository, pytest.raises(IntegrityError, match=r"store\.json of the object"):
        put(repository, source)


def test_a_mark_of_a_newer_artfs_is_refused() -> None:
    with pytest.raises(ArtfsError, match=r"newer artfs .*: upgrade artfs"):
        decode_mark(b'{"format": 2}')
