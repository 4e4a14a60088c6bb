"""Many who contribute, finish and collect at once: every contribution becomes part of one version, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artfs.config import Config, load_config
from artfs.errors import Conflict
from artfs.model.records import CommitOutcome
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.fault.contributing import (
    ALL,
    ARTIFACT,
    FIRST,
    OWN,
    RUNS,
    SECOND,
    TOGETHER,
    contributors,
    finish,
    make_runs,
    producers,
    read,
    upsert,
)
from tests.fault.crashing import Points, crashing_repository
from tests.fault.versions import assert_gc_leaves_exactly_what_is_needed, assert_sound

pytestmark = pytest.mark.parametrize("environ", ["sqlite", "postgres"], indirect=True)

PROCESSES = 24
ROUNDS = 2


class At(Points):
    """Does something once, when a point of that name is first reached."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        super().__init__(None, lambda _: None)
        self._name = name
        self._act_once = act

    def reach(self, name: str) -> None:
        super().reach(name)
        if name == self._name and self.passed.count(name) == 1:
            self._act_once()


def test_processes_that_contribute_at_once_lose_nothing(environ: dict[str, str]) -> None:
    config = load_config(environ=environ)
    command = [sys.executable, "-m", "tests.fault.contribution_worker", str(PROCESSES), str(ROUNDS), TOGETHER]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert [len(took) for took in json.loads(done.stdout)] == [ROUNDS] * PROCESSES
    with open_repository(config) as repository:
        found = Counter(contributors(repository))
        assert found == {f"writer-{number}": ROUNDS for number in range(PROCESSES)}
        assert_sound(repository)
        make_runs(repository, ["finisher"])
        version = finish(repository).version
        expected = {f"{number}/{step}.bin": b"%d/%d" % (number, step) for number in range(PROCESSES) for step in range(ROUNDS)}
        assert read(repository, "v0") == {**expected, "shared.bin": bytes(range(256)) * 100, **OWN}
        assert version.metadata == {f"{number}.{step}": number for number in range(PROCESSES) for step in range(ROUNDS)}
        assert len(producers(repository, "v0")) == PROCESSES + 1
        assert_gc_leaves_exactly_what_is_needed(repository)


def test_contributions_that_race_with_finishes_and_gc_are_in_one_version_each(config: Config) -> None:
    with open_repository(config) as repository:
        make_runs(repository, ["finisher", *(f"w{number}" for number in range(4))])
        stop = threading.Event()

        def write(worker: int) -> None:
            for step in range(6):
                upsert(repository, {f"{worker}/{step}": b"%d/%d" % (worker, step)}, f"w{worker}")

        def finish_often(finisher: int) -> None:
            for round_ in range(5):
                finish(repository, {f"own/{finisher}/{round_}": b"own"})

        def collect() -> int:
            rounds = 0
            while not stop.is_set():
                collect_garbage(repository, grace_s=0)
                rounds += 1
            return rounds

        with ThreadPoolExecutor(8) as pool:
            collecting = pool.submit(collect)
            try:
                for work in [
                    *(pool.submit(finish_often, number) for number in range(2)),
                    *(pool.submit(write, n) for n in range(4)),
                ]:
                    work.result(120)
            finally:
                stop.set()
            assert collecting.result() > 0
        finish(repository, {"own/last": b"own"})
        assert not repository.leases.held
        assert contributors(repository) == []
        labels = [version.label for version in repository.registry.versions.list(ARTIFACT)]
        versions = {label: set(read(repository, label)) for label in labels}
        seen = Counter(path for paths in versions.values() for path in paths if not path.startswith("own/"))
        assert seen == {f"{worker}/{step}": 1 for worker in range(4) for step in range(6)}
        for label, paths in versions.items():
            assert set(producers(repository, label)) == {
                "finisher",
                *(f"w{path[0]}" for path in paths if not path.startswith("own")),
            }
        assert_sound(repository)
        assert_gc_leaves_exactly_what_is_needed(repository)


@pytest.fixture
def other(config: Config) -> Iterator[Repository]:
    """Somebody else, with one contribution made."""
    with open_repository(config) as repository:
        make_runs(repository)
        upsert(repository, FIRST, "first")
        yield repository


def test_a_finish_that_is_overtaken_by_another_takes_what_is_left(config: Config, other: Repository) -> None:
    points = At("before contributions.finish", lambda: finish(other, {"other.txt": b"other"}, "second"))
    with crashing_repository(config, points) as repository:
        assert finish(repository).version.number == 1
        assert not repository.leases.held
    assert points.passed.count("before contributions.finish") == 2
    assert read(other, "v0") == {**FIRST, "other.txt": b"other"}
    assert (read(other, "v1"), producers(other, "v1")) == (OWN, ["finisher"])
    assert_gc_leaves_exactly_what_is_needed(other)


def test_finishes_that_race_all_give_the_same_version(config: Config, other: Repository) -> None:
    upsert(other, SECOND, "second")
    together = threading.Barrier(4)

    def finish_at_once(_: int) -> CommitOutcome:
        with open_repository(config) as repository:
            together.wait(60)
            return finish(repository)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(finish_at_once, range(4)))
    assert [outcome.created for outcome in outcomes].count(True) == 1
    assert {(outcome.version.label, outcome.contributions) for outcome in outcomes} == {("v0", 2)}
    (version,) = other.registry.versions.list(ARTIFACT)
    assert (version.aliases, read(other, "v0"), producers(other, "v0")) == (("latest",), ALL, list(RUNS))
    assert_gc_leaves_exactly_what_is_needed(other)


def test_a_finish_of_nothing_more_that_is_overtaken_is_that_version(config: Config, other: Repository) -> None:
    points = At("before contributions.finish", lambda: finish(other, {"other.txt": b"other"}, "second"))
    with crashing_repository(config, points) as repository:
        outcome = finish(repository, {})
        assert (outcome.version.number, outcome.created) == (0, False)
        assert not repository.leases.held
    assert producers(other, "v0") == ["first", "second", "finisher"]
    assert_gc_leaves_exactly_what_is_needed(other)


def test_a_finish_of_known_content_that_is_overtaken_stores_what_it_then_needs(config: Config, other: Repository) -> None:
    # Together it is a version already, so that there is nothing to store; alone it is not.
    finish(other, {**FIRST, **OWN}, together="another")
    points = At("before contributions.finish", lambda: finish(other, {"other.txt": b"other"}, "second"))
    with crashing_repository(config, points) as repository:
        assert finish(repository, {"whole.txt": b"whole\n"}).version.number == 2
    assert read(other, "v2") == OWN
    assert_sound(other)


def test_a_contribution_that_races_with_a_finish_is_for_the_next_version(config: Config, other: Repository) -> None:
    points = At("before contributions.finish", lambda: upsert(other, SECOND, "second"))
    with crashing_repository(config, points) as repository:
        finish(repository)
    assert read(other, "v0") == {**FIRST, **OWN}
    assert contributors(other) == ["second"]
    finish(other, {})
    assert read(other, "v1") == SECOND


def test_gc_that_runs_between_merge_and_finish_takes_nothing_that_is_needed(config: Config, other: Repository) -> None:
    upsert(other, SECOND, "second")
    points = At("before contributions.finish", lambda: collect_garbage(other, grace_s=0))
    with crashing_repository(config, points) as repository:
        finish(repository)
    assert (read(other, "v0"), producers(other, "v0")) == (ALL, list(RUNS))
    assert_gc_leaves_exactly_what_is_needed(other)


def test_a_finish_of_what_gc_gives_up_in_that_moment_is_refused(config: Config, other: Repository) -> None:
    points = At("before contributions.finish", lambda: collect_garbage(other, grace_s=0, abandoned_s=0))
    with crashing_repository(config, points) as repository:
        with pytest.raises(Conflict, match="given up as abandoned"):
            finish(repository)
        assert not repository.leases.held
    assert other.registry.versions.list(ARTIFACT) == []
    assert_gc_leaves_exactly_what_is_needed(other)


def test_manifests_that_another_finish_made_needless_can_be_read_until_the_merge_is_through(
    config: Config, other: Repository
) -> None:
    def overtake_and_collect() -> None:
        finish(other, {"other.txt": b"other"}, "second")
        collect_garbage(other, grace_s=0)

    points = At("after contributions.list_of", overtake_and_collect)
    with crashing_repository(config, points) as repository:
        finish(repository)
    assert read(other, "v1") == OWN
    assert_gc_leaves_exactly_what_is_needed(other)
