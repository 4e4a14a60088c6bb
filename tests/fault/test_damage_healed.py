"""What a user does who has damaged or lost packs, as `artfs verify` advises: afterwards all is whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from artfs.config import load_config
from artfs.errors import IntegrityError
from artfs.model.entry import PackId, pack_key
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord
from artfs.repository.open import open_repository
from artfs.repository.repack import repack
from artfs.repository.repository import Repository
from artfs.repository.survey import Problem, take_survey
from artfs.repository.verify import verify_repository
from artfs.repository.verify_trust import distrust_damaged, trust_restored
from tests.fault.hosts import ANYWHERE, OpenHost, damage, lose, put_back
from tests.fault.versions import ARTIFACT, assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, read_all, resolve
from tests.unit.repository.copying import copy_as

FILES: Mapping[str, bytes] = {"damaged.bin": os.urandom(90_000), "whole.bin": os.urandom(90_000)}
WHOLE: Mapping[str, bytes] = {"whole.bin": FILES["whole.bin"]}
OTHER = ArtifactName("tester", "default", "others")


def _pack_of_data(repository: Repository, version: VersionRecord) -> PackId:
    (pack,) = repository.registry.versions.needed_packs(version.id) - {version.manifest.pack}
    return pack


def _damage(repository: Repository, version: VersionRecord, path: str) -> bytes:
    """Damage the first chunk of a file in the store; what the object was before."""
    entry = repository.manifest(version).get(path)
    assert entry is not None
    ref = entry.content.refs[0]
    return damage(repository, ref)


@ANYWHERE
@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "damaged"])
def test_a_pack_that_was_put_back_is_used_for_new_versions_again_when_verify_finds_it_whole(
    open_host: OpenHost, *, is_lost: bool
) -> None:
    host = open_host()
    version = commit(host, FILES).version
    pack = _pack_of_data(host, version)
    before = lose(host, pack) if is_lost else _damage(host, version, "damaged.bin")
    assert not verify_repository(host, read_data=True).is_sound
    assert host.registry.packs.usable([pack]) == set()
    assert verify_repository(open_host()).restored_packs == 0, "it is as it was"
    put_back(host, pack, before)
    assert host.registry.packs.usable([pack]) == set(), "nobody has looked"
    report = verify_repository(open_host())
    assert (report.problems, report.restored_packs) == ([], 1)
    assert verify_repository(open_host()).restored_packs == 0
    writing = open_host()
    again = commit(writing, FILES, artifact=OTHER).version
    assert pack in writing.registry.versions.needed_packs(again.id)
    assert writing.objects.counts()["bytes_written"] < 10_000
    assert_sound(open_host())
    assert_gc_leaves_exactly_what_is_needed(open_host())


def test_one_look_that_began_before_a_pack_was_put_back_does_not_keep_it_out(repository: Repository, stored: VersionRecord) -> None:
    pack = _pack_of_data(repository, stored)
    before = lose(repository, pack)
    survey = take_survey(repository)
    put_back(repository, pack, before)
    distrust_damaged(survey, [Problem("I1", "it was not there", packs=(pack,))])
    assert repository.registry.packs.usable([pack]) == set()
    assert trust_restored(repository) == 1
    assert repository.registry.packs.usable([pack]) == {pack}


def test_a_pack_of_which_a_part_alone_was_put_back_stays_out(repository: Repository, stored: VersionRecord) -> None:
    pack = _pack_of_data(repository, stored)
    before = lose(repository, pack)
    assert not verify_repository(repository).is_sound
    for part in (before[:-1], before + b"x", bytes(len(before)), bytes(9) + before[9:], before[:-9] + bytes(9)):
        put_back(repository, pack, part)
        with open_repository(repository.config) as fresh:
            assert trust_restored(fresh) == 0
    put_back(repository, pack, before)
    assert trust_restored(repository) == 1


@pytest.fixture
def stored(repository: Repository) -> VersionRecord:
    return commit(repository, FILES).version


def test_an_object_that_is_put_back_makes_everything_whole(repository: Repository, stored: VersionRecord) -> None:
    for is_lost in (False, True):
        pack = _pack_of_data(repository, stored)
        before = lose(repository, pack) if is_lost else _damage(repository, stored, "damaged.bin")
        assert not verify_repository(repository, read_data=True).is_sound
        put_back(repository, pack, before)
        assert_sound(repository)
        assert read_all(repository, stored) == FILES


def test_content_that_is_put_after_verify_found_damage_is_stored_anew(repository: Repository, stored: VersionRecord) -> None:
    other = commit(repository, WHOLE, artifact=OTHER).version
    _damage(repository, stored, "damaged.bin")
    damaged = _pack_of_data(repository, stored)
    (problem,) = verify_repository(repository, read_data=True).problems
    assert (problem.packs, problem.paths, problem.versions) == ((damaged,), ("damaged.bin",), (stored.qualified_name,))
    repository.registry.versions.delete(stored.id, delete_aliases=True)
    again = commit(repository, FILES).version
    assert again.number == 1
    assert damaged not in repository.registry.versions.needed_packs(again.id)
    with open_repository(repository.config) as fresh:
        assert read_all(fresh, again) == FILES
        assert read_all(fresh, other) == WHOLE, "it needs what is whole in the damaged pack"
    assert_sound(repository)
    repository.registry.versions.delete(other.id, delete_aliases=True)
    assert_gc_leaves_exactly_what_is_needed(repository)


def test_a_copy_from_another_place_brings_what_is_damaged_here(
    repository: Repository, stored: VersionRecord, environ: dict[str, str], tmp_path: Path
) -> None:
    _damage(repository, stored, "damaged.bin")
    damaged = _pack_of_data(repository, stored)
    assert not verify_repository(repository, read_data=True).is_sound
    with open_repository(load_config(environ={**environ, "ARTFS_HOME": str(tmp_path / "elsewhere")})) as source:
        commit(source, FILES)
        copy_as(source, repository, {ARTIFACT: OTHER})
    (copied,) = repository.registry.versions.list(OTHER)
    assert damaged not in repository.registry.versions.needed_packs(copied.id)
    assert read_all(repository, copied) == FILES


def test_a_lost_pack_is_read_elsewhere_when_its_content_was_put_again(repository: Repository, stored: VersionRecord) -> None:
    lost = _pack_of_data(repository, stored)
    repository.objects.delete(pack_key(lost))
    assert {problem.packs for problem in verify_repository(repository).problems} == {(lost,)}
    with open_repository(repository.config) as fresh, pytest.raises(IntegrityError):
        read_all(fresh, stored)
    commit(repository, FILES, artifact=OTHER)
    with open_repository(repository.config) as fresh:
        assert read_all(fresh, stored) == FILES


def test_a_store_in_which_nothing_is_there_is_the_wrong_one_and_changes_no_trust(
    repository: Repository, stored: VersionRecord
) -> None:
    needed = repository.registry.versions.needed_packs(stored.id)
    objects = {pack_key(pack): repository.objects.get(pack_key(pack)) for pack in needed}
    for key in objects:
        repository.objects.delete(key)
    assert len(verify_repository(repository).problems) == len(needed)
    assert repository.registry.packs.usable(needed) == needed
    for key, data in objects.items():
        repository.objects.put(key, [data])
    assert commit(repository, FILES).version.id == resolve(repository, "v0").id
    assert_sound(repository)


def test_a_repack_leaves_what_verify_found_damaged_and_moves_the_rest(repository: Repository) -> None:
    kept = {}
    for artifact in (ARTIFACT, OTHER):
        files = {"dead.bin": os.urandom(300_000), "small.bin": os.urandom(30_000)}
        whole = commit(repository, files, artifact=artifact).version
        kept[artifact] = commit(repository, {"small.bin": files["small.bin"]}, artifact=artifact).version
        repository.registry.versions.delete(whole.id, delete_aliases=True)
    _damage(repository, kept[ARTIFACT], "small.bin")
    assert len(verify_repository(repository, read_data=True).problems) == 1
    with open_repository(repository.config) as fresh:
        report = repack(fresh)
        assert (report.packs, report.moved, report.damaged) == (1, 1, [])
        now = {artifact: fresh.registry.versions.get(version.id) for artifact, version in kept.items()}
    assert now[ARTIFACT] == kept[ARTIFACT]
    assert now[OTHER].manifest != kept[OTHER].manifest
