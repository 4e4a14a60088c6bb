"""Pinned versions: all of their chunks are here, manifest and lists too, and no request is made for them any more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.config import Config
from artfs.errors import NotFound, StoreFull, UserError
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import VersionRecord
from artfs.objectstore.memory import MemoryStore
from artfs.registry.open import open_registry
from artfs.repository.known_files import KnownFiles
from artfs.repository.known_names import KnownNames
from artfs.repository.open import assemble_repository
from artfs.repository.pins import Followed, follow_moves, list_pins, pin_label, pin_version, unpin_version
from artfs.repository.repository import Repository
from artfs.repository.version_chunks import iter_content_chunks, iter_manifest_chunks
from tests.fault.moving import move_and_collect
from tests.fault.versions import commit as commit_files

MIB = 1 << 20
OTHER = ArtifactName("tester", "default", "other")
NOISE = random.Random(1).randbytes(3 * MIB)
FILES = {"a/large": NOISE, "a/same": NOISE, "b/small": b"small", "c/empty": b""}


class FarStore(MemoryStore):
    """A MemoryStore that says that it is elsewhere, and may be out of reach."""

    is_cut_off = False

    @property
    def is_remote(self) -> bool:
        return True

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        if self.is_cut_off:
            raise NotFound(f"there is no way to {key}")
        return super().read_range(key, offset, length)


def commit(repository: Repository, files: dict[str, bytes]) -> VersionRecord:
    return commit_files(repository, files).version


@pytest.fixture
def store() -> FarStore:
    return FarStore()


@pytest.fixture
def far(config: Config, store: FarStore) -> Iterator[Repository]:
    config = replace(config, cache_limit=0)
    with assemble_repository(config, open_registry(config.registry), store) as repository:
        yield repository


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "pinned", 16 * MIB)


def read_from(cache: DiskCache, repository: Repository, version: VersionRecord) -> int:
    """Read all chunks of the version with nothing but the cache; how many there are."""
    manifest = repository.manifest(version)
    refs = [*iter_manifest_chunks(manifest), *iter_content_chunks(manifest, repository.chunks)]
    assert len(ChunkStore(_nothing(), SharedFetches(0), cache).read(refs)) == len(refs)
    return len(refs)


def _nothing() -> MemoryStore:
    return MemoryStore()


def test_a_pinned_version_needs_no_store(far: Repository, cache: DiskCache) -> None:
    version = commit(far, FILES)
    progress: list[tuple[int, int]] = []
    size = pin_version(far, cache, version, lambda done, total: progress.append((done, total)))
    assert 3 * MIB < size < 3 * MIB + 100_000
    assert progress[-1] == (size, size)
    assert read_from(cache, far, version) > 40
    (pin,) = list_pins(cache)
    assert (pin.version, pin.size, pin.missing) == (version.qualified_name, size, 0)
    assert pin.registry == far.config.registry


def test_a_long_file_is_pinned_with_its_chunk_lists(far: Repository, cache: DiskCache) -> None:
    cache = DiskCache(cache.folder, 256 * MIB)
    version = commit(far, {"long": random.Random(2).randbytes(80 * MIB)})
    manifest = far.manifest(version)
    (entry,) = manifest.iter_entries()
    assert entry.content.is_indirect
    pin_version(far, cache, version)
    assert read_from(cache, far, version) > 1024


def test_what_is_in_the_cache_is_not_fetched_to_be_pinned(far: Repository, cache: DiskCache, store: FarStore) -> None:
    version = commit(far, FILES)
    pin_version(far, cache, version)
    assert unpin_version(far, cache, version.qualified_name)
    assert not unpin_version(far, cache, version.qualified_name)
    assert list_pins(cache) == []
    list(iter_content_chunks(far.manifest(version), far.chunks))  # the manifest is in memory
    store.is_cut_off = True
    pin_version(far, cache, version)
    read_from(cache, far, version)


def test_what_does_not_fit_is_refused_before_anything_is_fetched(far: Repository, cache: DiskCache) -> None:
    version = commit(far, {"large": random.Random(3).randbytes(20 * MIB)})
    with pytest.raises(StoreFull, match=r"needs \d+ bytes in the cache, and only \d+ of its limit of 16777216 can be had"):
        pin_version(far, cache, version)
    assert cache.facts()["bytes_kept"] == 0


def test_a_store_on_this_machine_needs_no_pins(repository: Repository, cache: DiskCache) -> None:
    with pytest.raises(UserError, match="is on this machine"):
        pin_version(repository, cache, commit(repository, FILES))


def test_a_pin_follows_a_version_that_was_moved_and_reads_no_content_for_that(
    far: Repository, cache: DiskCache, store: FarStore
) -> None:
    cache = DiskCache(cache.folder, 256 * MIB)
    version = commit(far, {**FILES, "long": random.Random(2).randbytes(80 * MIB)})
    pin_version(far, cache, version)
    assert [pin.is_moved for pin in list_pins(cache, far)] == [False]
    moved = move_and_collect(far, version)
    assert [pin.is_moved for pin in list_pins(cache, far)] == [True]
    before = far.objects.counts()["bytes_read"]
    assert follow_moves(far, cache).moved == [version.qualified_name]
    assert far.objects.counts()["bytes_read"] - before < MIB
    assert [pin.is_moved for pin in list_pins(cache, far)] == [False]
    assert [pin.missing for pin in list_pins(cache)] == [0]
    assert follow_moves(far, cache) == Followed()
    store.is_cut_off = True
    assert read_from(cache, far, moved) > 1024


def test_a_move_that_was_heard_of_takes_no_pinned_version_from_those_without_network(
    far: Repository, cache: DiskCache, store: FarStore, tmp_path: Path
) -> None:
    version = commit(far, FILES)
    name = VersionName(version.artifact, version.label)
    files = KnownFiles(tmp_path / "known", "registry", cache.is_pinned)
    assert KnownNames(far.registry, files).version(name).manifest == version.manifest
    pin_version(far, cache, version)
    moved = move_and_collect(far, version)
    names = KnownNames(far.registry, files)
    assert (names.version(name).manifest, len(names.versions(version.artifact))) == (moved.manifest, 1)
    known = files.newest(version.artifact)
    assert known is not None
    assert known.manifest == version.manifest
    assert follow_moves(replace(far, names=names), cache).moved == [version.qualified_name]
    known = files.newest(version.artifact)
    assert known is not None
    store.is_cut_off = True
    assert known.manifest == moved.manifest
    assert read_from(cache, far, known) > 10


def test_a_pin_of_a_version_that_was_deleted_is_left_alone(far: Repository, cache: DiskCache) -> None:
    version = commit(far, FILES)
    pin_version(far, cache, version)
    far.registry.versions.delete(version.id, delete_aliases=True)
    assert follow_moves(far, cache) == Followed()
    assert [(pin.version, pin.is_moved) for pin in list_pins(cache, far)] == [(version.qualified_name, False)]


def test_a_pin_whose_new_manifest_does_not_fit_stays_as_it_was_and_the_others_follow(far: Repository, tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "small", 4 * MIB)
    wide = commit_files(far, {f"many/{number:05}": b"%d" % number for number in range(8000)}, artifact=OTHER).version
    small = commit(far, {"small": b"small"})
    for version in (wide, small):
        pin_version(far, cache, version)
    fillers: list[VersionRecord] = []
    while cache.limit - _counted(cache) > 400_000:
        fillers.append(commit(far, {"filler": random.Random(len(fillers)).randbytes(150_000)}))
        pin_version(far, cache, fillers[-1])
    pinned = {pin.label: pin for pin in cache.pins()}
    for version in (wide, small):
        move_and_collect(far, version)
    followed = follow_moves(far, cache)
    assert followed.moved == [small.qualified_name]
    ((label, error),) = followed.failed.items()
    assert label == pin_label(far, wide.qualified_name)
    assert isinstance(error, StoreFull)
    assert {pin.label: pin for pin in cache.pins()}[label] == pinned[label], "what it had stays"
    assert _counted(cache) <= cache.limit
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= cache.limit + 64_000
    assert {pin.missing for pin in list_pins(cache)} == {0}
    for filler in fillers:
        unpin_version(far, cache, filler.qualified_name)
    assert follow_moves(far, cache).moved == [wide.qualified_name]


def _counted(cache: DiskCache) -> int:
    facts = cache.facts()
    return int(facts["used"] + facts["reserved"])


def test_a_label_says_no_password(config: Config, store: FarStore) -> None:
    registry = open_registry(config.registry)
    with assemble_repository(replace(config, registry="postgresql://me:secret@host/db"), registry, store) as repository:
        assert pin_label(repository, "a/b/pets:v0") == "a/b/pets:v0 in postgresql://host/db"
