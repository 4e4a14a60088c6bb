"""A commit that fails at any of its writes, the process living on (I1)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from artfs.config import Config, load_config
from artfs.errors import StoreFull, StoreUnavailable
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from tests.fault.crashing import Points, crashing_repository
from tests.fault.versions import (
    AFTER,
    ARTIFACT,
    BEFORE,
    assert_all_or_nothing,
    assert_gc_leaves_exactly_what_is_needed,
    assert_recovers,
    assert_sound,
    commit,
    expire_leases,
    read_all,
    resolve,
)


def _fail(point: str) -> None:
    raise StoreUnavailable(f"the store failed on purpose {point}: try again")


def _fill(point: str) -> None:
    raise StoreFull(f"the disk was filled on purpose {point}: make room")


@pytest.fixture
def template(config: Config) -> Config:
    with open_repository(config) as repository:
        repository.registry.runs.create("tester", "default", run_id="the-run")
        commit(repository, BEFORE)
    return config


def _copy(template: Config, home: Path) -> Config:
    shutil.copytree(template.data_dir.parent, home)
    return load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(home)})


def _interrupted(config: Config, at: int, *, for_ever: bool, act: Callable[[str], object] = _fail) -> Points:
    points = Points(at, act, for_ever=for_ever)
    with crashing_repository(config, points) as repository:
        # Not all failures fail the commit: the last heartbeat, or what is said after it took place.
        with suppress(StoreUnavailable, StoreFull):
            commit(repository, AFTER, aliases=["best"], run_id="the-run")
        assert not repository.leases.held
    return points


@pytest.mark.parametrize("for_ever", [False, True], ids=["the store comes back", "the store stays away"])
def test_commit_that_fails_at_any_write_is_seen_wholly_or_not_at_all(template: Config, tmp_path: Path, for_ever: bool) -> None:
    seen = {True: 0, False: 0}
    for at in range(1000):
        config = _copy(template, tmp_path / f"copy-{at}")
        points = _interrupted(config, at, for_ever=for_ever)
        if not points.reached:
            break
        with open_repository(config) as repository:
            happened = assert_all_or_nothing(repository)
            seen[happened] += 1
            assert_recovers(repository, happened=happened)
        shutil.rmtree(config.data_dir.parent)
    assert {"before put", "after put", "after packs.add", "before versions.commit", "after versions.commit"} <= set(points.passed)
    assert seen[True] >= 1
    assert seen[False] >= 10


def test_commit_that_finds_no_space_gives_its_own_back_at_once(template: Config) -> None:
    config = template
    with open_repository(config) as repository:
        before = {info.key for info in repository.objects.iter_objects("packs/")}
    for at in range(1000):
        points = _interrupted(config, at, for_ever=False, act=_fill)
        if points.passed[at] == "before versions.commit":
            break
        with open_repository(config) as repository:
            assert {info.key for info in repository.objects.iter_objects("packs/")} == before


@pytest.mark.parametrize("ends", [False, True], ids=["an error of the store", "the end of the process"])
def test_what_a_commit_has_stored_that_came_to_nothing_is_not_stored_again(template: Config, *, ends: bool) -> None:
    def fail(point: str) -> None:
        if "after packs.add" in (points.passed if ends else [point]):
            _fail(point)

    points = Points(0, fail, for_ever=True)
    with crashing_repository(template, points) as repository, pytest.raises(StoreUnavailable):
        commit(repository, AFTER)
    with open_repository(template) as repository:
        before = {info.key for info in repository.objects.iter_objects("packs/")}
        ingest = begin_ingest(repository, "tester")
        entries = [ingest.add_bytes(data, path) for path, data in AFTER.items()]
        ingest.flush()
        assert {info.key for info in repository.objects.iter_objects("packs/")} == before
        commit_entries(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset"))
        assert read_all(repository, resolve(repository, "latest")) == AFTER
        expire_leases(repository)
        assert_gc_leaves_exactly_what_is_needed(repository)
        assert_sound(repository)


def test_what_another_commit_has_found_stays_when_the_first_is_given_up(template: Config) -> None:
    with open_repository(template) as repository:
        first, second = begin_ingest(repository, "tester"), begin_ingest(repository, "tester")
        for path, ingest in (("a", first), ("b", second)):
            entry = ingest.add_bytes(AFTER["b/new.bin"], path)
            ingest.flush()
        assert (first.stored_bytes > 0, second.stored_bytes) == (True, 0)
        first.abort()
        version = commit_entries(repository, second, [entry], CommitRequest(ARTIFACT, "dataset")).version
        assert read_all(repository, version) == {"b": AFTER["b/new.bin"]}
        assert_sound(repository)
        assert_gc_leaves_exactly_what_is_needed(repository)


def test_gc_that_fails_at_any_step_loses_nothing_and_is_finished_by_the_next(template: Config, tmp_path: Path) -> None:
    with open_repository(template) as repository:
        commit(repository, AFTER)
        repository.registry.versions.delete(resolve(repository, "v0").id)
        ingest = begin_ingest(repository, "tester")
        ingest.add_bytes(b"left by a commit that died", "x")
        ingest.finish()
        repository.leases.end(ingest.lease)
    for at in range(1000):
        config = _copy(template, tmp_path / f"copy-{at}")
        points = Points(at, _fail)
        with crashing_repository(config, points) as repository, suppress(StoreUnavailable):
            collect_garbage(repository, grace_s=0)
        with open_repository(config) as repository:
            assert read_all(repository, resolve(repository, "latest")) == AFTER
            assert_sound(repository)
            assert commit(repository, BEFORE).version.number == 2
            assert read_all(repository, resolve(repository, "v2")) == BEFORE
            assert_gc_leaves_exactly_what_is_needed(repository)
            assert_sound(repository)
        shutil.rmtree(config.data_dir.parent)
        if not points.reached:
            break
    assert {"after packs.doom_unneeded", "after packs.claim_doomed", "after delete", "after packs.forget"} <= set(points.passed)
    assert {"after packs.drop_uncommitted", "after leases.remove"} <= set(points.passed)
