"""What repack moves, what it leaves, and that versions stay what they are (I1, I2, I4)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from artfs.model.records import VersionRecord
from artfs.repository.gc import collect_garbage
from artfs.repository.repack import repack
from artfs.repository.repository import Repository
from tests.fault.contributing import make_runs, upsert
from tests.fault.versions import assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, read_all, resolve

KEPT = {"kept.bin": os.urandom(200_000), "small.txt": b"small\n"}
GONE = {f"gone/{number}.bin": os.urandom(150_000) for number in range(4)}
#: A threshold that no pack reaches.
ALL = 2.0


def waste(repository: Repository) -> list[VersionRecord]:
    """Two versions that need a quarter of a pack, as the one that needed all of it is deleted; and their manifests."""
    commit(repository, {**KEPT, **GONE})
    versions = [commit(repository, {**KEPT, "own.txt": b"%d" % number}).version for number in range(2)]
    repository.registry.versions.delete(resolve(repository, "v0").id, delete_aliases=True)
    return versions


def packs_of(repository: Repository, versions: Iterable[VersionRecord]) -> set[bytes]:
    return set(chain.from_iterable(repository.registry.versions.needed_packs(version.id) for version in versions))


def stored(repository: Repository) -> int:
    return sum(info.size for info in repository.objects.iter_objects("packs/"))


def test_repack_moves_versions_out_of_packs_that_are_mostly_dead(repository: Repository) -> None:
    versions = [repository.registry.versions.get(version.id) for version in waste(repository)]
    contents = [read_all(repository, version) for version in versions]
    collect_garbage(repository, grace_s=0)
    before = stored(repository)
    told = repack(repository, dry_run=True)
    assert (told.packs, told.versions, told.moved, told.written) == (1, 2, 0, 0)
    assert stored(repository) == before
    done = repack(repository)
    assert (done.packs, done.versions, done.moved, done.left) == (1, 2, 2, 0)
    assert (done.size, done.live) == (told.size, told.live)
    assert done.written < 1.2 * done.live
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert stored(repository) < before - 550_000
    for version, content in zip(versions, contents, strict=True):
        after = repository.registry.versions.get(version.id)
        assert after == replace(version, manifest=after.manifest), "only the place of its manifest is another"
        assert read_all(repository, after) == content
        assert read_all(repository, version) == content, "who looked the version up before finds its new place"
    assert_sound(repository)
    assert repack(repository).packs == 0, "nothing is left to do"


def test_content_that_versions_share_is_moved_once(repository: Repository) -> None:
    versions = waste(repository)
    repack(repository)
    manifests = [repository.manifest(resolve(repository, version.label)) for version in versions]
    places = {manifest.get("kept.bin").content for manifest in manifests}  # type: ignore[union-attr]
    assert len(places) == 1


def test_packs_in_good_use_stay(repository: Repository) -> None:
    versions = waste(repository)
    before = packs_of(repository, versions)
    assert repack(repository, threshold=0.05).packs == 0
    commit(repository, {**KEPT, **GONE})
    assert repack(repository).moved == 0
    assert packs_of(repository, versions) == before


def test_pack_in_full_use_stays_whatever_the_threshold(repository: Repository) -> None:
    commit(repository, {str(number): b"%d" % number for number in range(500)})
    assert repack(repository, threshold=1).packs == 0


def test_packs_that_contributions_need_stay(repository: Repository) -> None:
    versions = waste(repository)
    make_runs(repository)
    upsert(repository, KEPT, "first")
    before = packs_of(repository, versions)
    assert repack(repository).packs == 0
    assert packs_of(repository, versions) == before


def test_content_moved_by_a_repack_is_found_by_commits(repository: Repository) -> None:
    waste(repository)
    repack(repository)
    collect_garbage(repository, grace_s=0)
    size = stored(repository)
    version = commit(repository, {**KEPT, "third.txt": b"third"}).version
    assert stored(repository) - size < 10_000
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert read_all(repository, version)["kept.bin"] == KEPT["kept.bin"]


def test_long_files_and_wide_directories_are_moved(repository: Repository) -> None:
    files = {"long.bin": os.urandom(70_000_000), "x": b"x", **{f"many/{number}": b"%d" % number for number in range(1000)}}
    version = commit(repository, files).version
    old = packs_of(repository, [version])
    assert repack(repository, threshold=ALL).moved == 1
    assert old.isdisjoint(packs_of(repository, [version]))
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert read_all(repository, repository.registry.versions.get(version.id)) == files
    assert_sound(repository)


def test_repack_of_an_empty_repository_does_nothing(repository: Repository) -> None:
    report = repack(repository)
    assert (report.packs, report.versions, report.written) == (0, 0, 0)
    assert not repository.registry.leases.list_active()
