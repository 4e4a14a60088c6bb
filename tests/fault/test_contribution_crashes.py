"""Contributions and finishes that end at any write: a contribution is whole or absent, a finish happened or did not (I1)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from artfs.config import Config, load_config
from artfs.errors import StoreUnavailable
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.fault.contributing import ALL, FIRST, OWN, RUNS, SECOND, contributors, finish, make_runs, producers, read, upsert
from tests.fault.crashing import Points, crashing_repository
from tests.fault.versions import assert_gc_leaves_exactly_what_is_needed, assert_sound, expire_leases

Act = Callable[[Repository], object]


def _fail(point: str) -> None:
    raise StoreUnavailable(f"the store failed on purpose {point}: try again")


@pytest.fixture
def template(config: Config) -> Config:
    with open_repository(config) as repository:
        make_runs(repository)
        upsert(repository, FIRST, "first")
    return config


def _copy(template: Config, home: Path) -> Config:
    shutil.copytree(template.data_dir.parent, home)
    return load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(home)})


def _second(repository: Repository) -> None:
    upsert(repository, SECOND, "second")


def _assert_contribution_whole_or_absent(repository: Repository) -> bool:
    """After an interrupted contribution of `second`: True if it took place. Then the rest goes on, and nothing is missing."""
    found = contributors(repository)
    assert found in (["first"], ["first", "second"])
    assert repository.registry.versions.list(repository.registry.contributions.list_all()[0].artifact) == []
    assert_sound(repository)
    happened = found == ["first", "second"]
    if not happened:
        _second(repository)
    assert finish(repository).version.number == 0
    _assert_all_is_there(repository)
    return happened


def _assert_finished_or_not(repository: Repository) -> bool:
    """After an interrupted finish: True if it took place. Otherwise the next one finds all that there was."""
    happened = contributors(repository) == []
    if happened:
        _assert_all_is_there(repository)
    else:
        assert contributors(repository) == ["first", "second"]
        assert_sound(repository)
        assert finish(repository).created
        _assert_all_is_there(repository)
    return happened


def _assert_all_is_there(repository: Repository) -> None:
    assert read(repository, "latest") == ALL
    assert producers(repository, "v0") == list(RUNS)
    expire_leases(repository)
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert_sound(repository)
    assert read(repository, "v0") == ALL


def _interrupt_everywhere(
    template: Config, folder: Path, act: Act, judge: Callable[[Repository], bool], only: str = ""
) -> set[str]:
    """Let `act` fail at each of its points that have `only` in their name, each time in a copy of the repository.

    Returns the points. `judge` is asked what happened, and must have found both.
    """
    names = Points(None, _fail)
    with crashing_repository(_copy(template, folder / "whole"), names) as repository:
        act(repository)
    seen: set[bool] = set()
    for at in [number for number, name in enumerate(names.passed) if only in name]:
        config = _copy(template, folder / f"copy-{at}")
        with crashing_repository(config, Points(at, _fail)) as repository:
            with suppress(StoreUnavailable):
                act(repository)
            assert not repository.leases.held
        with open_repository(config) as repository:
            seen.add(judge(repository))
        shutil.rmtree(config.data_dir.parent)
    assert seen == {True, False}
    return set(names.passed)


def test_a_contribution_that_fails_at_any_write_is_whole_or_absent(template: Config, tmp_path: Path) -> None:
    passed = _interrupt_everywhere(template, tmp_path, _second, _assert_contribution_whole_or_absent)
    assert {"after put", "after packs.add", "before contributions.add", "after contributions.add"} <= passed


def test_a_finish_that_fails_at_any_write_happened_or_did_not(template: Config, tmp_path: Path) -> None:
    with open_repository(template) as repository:
        _second(repository)
    passed = _interrupt_everywhere(template, tmp_path, finish, _assert_finished_or_not)
    assert {"after put", "after packs.add", "before contributions.finish", "after contributions.finish"} <= passed


def test_gc_that_fails_while_it_gives_up_a_set_gives_it_up_as_one(template: Config, tmp_path: Path) -> None:
    with open_repository(template) as repository:
        _second(repository)

    def collect(repository: Repository) -> None:
        collect_garbage(repository, grace_s=0, abandoned_s=0)

    def judge(repository: Repository) -> bool:
        given_up = contributors(repository) == []
        assert given_up or contributors(repository) == ["first", "second"]
        assert_sound(repository)
        assert finish(repository).created
        assert read(repository, "v0") == (OWN if given_up else ALL)
        assert_gc_leaves_exactly_what_is_needed(repository)
        return given_up

    passed = _interrupt_everywhere(template, tmp_path, collect, judge, only="contributions.")
    assert {"before contributions.give_up", "after contributions.give_up"} <= passed


@pytest.mark.parametrize(
    ("what", "judge"), [("contribute", _assert_contribution_whole_or_absent), ("finish", _assert_finished_or_not)]
)
def test_a_process_that_is_killed_in_the_middle_leaves_all_or_nothing(
    template: Config, tmp_path: Path, what: str, judge: Callable[[Repository], bool]
) -> None:
    if what == "finish":
        with open_repository(template) as repository:
            _second(repository)
    folder = tmp_path / "homes"
    folder.mkdir()
    command = [sys.executable, "-m", "tests.fault.crash_worker", "calls", str(template.data_dir.parent), str(folder), what]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    seen = set()
    for point, home in zip(done.stdout.splitlines(), sorted(folder.iterdir()), strict=False):  # the last one came to its end
        if point.startswith("before") and "contributions." not in point:
            continue  # what a killed process leaves there is what it left after the point before
        with open_repository(load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(home)})) as repository:
            seen.add(judge(repository))
    assert seen == {True, False}
