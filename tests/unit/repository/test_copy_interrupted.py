"""Copies that fail, end at any point, or meet others at the destination: nothing is half there, and the next one goes on."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from artfs.config import Config, load_config
from artfs.errors import StoreUnavailable
from artfs.model.entry import pack_key
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.open import open_objects
from artfs.registry.open import open_registry
from artfs.repository.commit import begin_ingest
from artfs.repository.copy_chunks import CopyTotals
from artfs.repository.copy_version import DoomedToo, VersionCopier
from artfs.repository.gc import collect_garbage
from artfs.repository.open import assemble_repository, open_repository
from artfs.repository.repository import Repository
from tests.fault.crashing import Points, crashing_repository
from tests.fault.moving import move_and_collect
from tests.fault.versions import assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, expire_leases
from tests.unit.repository.copying import DATASET, assert_same, copy_all, facts, make_history, noise


class _FailingStore:
    """A store that takes so many packs and then no more."""

    def __init__(self, inner: Any, after: int) -> None:
        self._inner = inner
        self._left = after
        self._lock = threading.Lock()

    def put(self, key: str, data: Any) -> None:
        with self._lock:
            if key.startswith("packs/"):
                self._left -= 1
            if self._left < 0:
                raise StoreUnavailable("the store was unplugged")
        self._inner.put(key, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _MovingStore(MemoryStore):
    """Does `act` once, after the second read of the object `key`."""

    def __init__(self) -> None:
        super().__init__()
        self.key = ""
        self.act: Callable[[], object] = lambda: None
        self._reads = 0

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        data = super().read_range(key, offset, length)
        self._reads += key == self.key
        if self._reads == 2:
            self.key, self._reads = "", 0
            self.act()
        return data


def test_a_version_that_a_repack_moves_while_it_is_copied_is_copied(
    config: Config, destination: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "artfs.repository.copy")
    store = _MovingStore()
    # Long names, so that the pages are read in two requests.
    files = {noise(number, 100).hex(): b"%d" % number for number in range(5000)}
    with (
        assemble_repository(config, open_registry(config.registry), store) as mover,
        assemble_repository(config, open_registry(config.registry), store) as source,
    ):
        version = commit(mover, files, artifact=DATASET).version
        store.key = pack_key(version.manifest.pack)
        store.act = lambda: move_and_collect(mover, version)
        report = copy_all(source, destination, [DATASET])
        assert "copying tester/default/bike-dataset:v0 once more" in caplog.text
        assert [copied.number for copied in report.artifacts[0].copied] == [0]
        assert facts(destination, DATASET) == facts(source, DATASET)
        assert_sound(destination)


class _MovingBeforeReads(MemoryStore):
    """Does `act` once, before the first read of a pack."""

    def __init__(self) -> None:
        super().__init__()
        self.act: Callable[[], object] = lambda: None
        self.has_acted = False

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        if not self.has_acted:
            self.has_acted = True
            self.act()
        return super().read_range(key, offset, length)


def test_a_version_whose_predecessor_a_repack_of_the_destination_moves_meanwhile_is_copied(
    repository: Repository, there: Config
) -> None:
    commit(repository, {"a.txt": b"one"}, artifact=DATASET)
    commit(repository, {"a.txt": b"two"}, artifact=DATASET)
    store = _MovingBeforeReads()
    with (
        assemble_repository(there, open_registry(there.registry), store) as mover,
        assemble_repository(there, open_registry(there.registry), store) as destination,
    ):
        store.act = lambda: move_and_collect(mover, mover.registry.versions.list(DATASET)[-1])
        report = copy_all(repository, destination, [DATASET])
        assert store.has_acted
        assert [copied.number for copied in report.artifacts[0].copied] == [0, 1]
        assert facts(destination, DATASET) == facts(repository, DATASET)
        assert_sound(destination)


class _Crash(BaseException):
    pass


def _crash(point: str) -> None:
    raise _Crash(point)


def test_a_copy_that_fails_goes_on_where_it_was(config: Config, there: Config) -> None:
    """The store at the destination takes three packs and no more; what was durable by then is not sent again."""
    files = {f"{number}.bin": noise(number, 40 << 20) for number in range(3)}
    with open_repository(config) as source:
        commit(source, files, artifact=DATASET)
        failing = _FailingStore(open_objects(there.objects), after=3)
        with (
            assemble_repository(there, open_registry(there.registry), failing) as destination,
            pytest.raises(StoreUnavailable, match="unplugged"),
        ):
            copy_all(source, destination, [DATASET])
        with open_repository(there) as destination:
            assert destination.registry.leases.list_active() == []
            report = copy_all(source, destination, [DATASET])
            assert report.bytes_found > 60 << 20
            assert report.bytes_sent < 60 << 20
            assert_same(source, destination, [DATASET])


def test_what_was_sent_is_found_by_the_next_copy_after_a_gc_in_between(config: Config, there: Config) -> None:
    with open_repository(config) as source:
        commit(source, {f"{number}.bin": noise(number, 40 << 20) for number in range(2)}, artifact=DATASET)
        failing = _FailingStore(open_objects(there.objects), after=2)
        with assemble_repository(there, open_registry(there.registry), failing) as destination, pytest.raises(StoreUnavailable):
            copy_all(source, destination, [DATASET])
        with open_repository(there) as destination:
            assert collect_garbage(destination).leftovers.packs == 0
            report = copy_all(source, destination, [DATASET])
            assert report.bytes_found > 60 << 20
            assert report.bytes_sent < 20 << 20
            assert_same(source, destination, [DATASET])
            assert_gc_leaves_exactly_what_is_needed(destination)
            assert_same(source, destination, [DATASET])


def test_a_gc_beside_a_copy_takes_nothing_from_it(config: Config, there: Config) -> None:
    """What it has found of another copy is needed by nothing yet: gc dooms it, and must not delete it while this goes on (I4)."""
    with open_repository(config) as source, open_repository(there) as destination, open_repository(there) as gc:
        version = commit(source, {f"{number}.bin": noise(number, 36 << 20) for number in range(3)}, artifact=DATASET).version
        doomed = 0

        def come_by() -> None:
            nonlocal doomed
            report = collect_garbage(gc, grace_s=0)
            assert (report.deleted.packs, report.leftovers.packs) == (0, 0)
            doomed += report.doomed.packs

        with ThreadPoolExecutor(2) as executor:
            copier = VersionCopier(source, executor, CopyTotals(), come_by)
            first, second = (begin_ingest(destination, "tester", DoomedToo(destination.registry.packs)) for _ in range(2))
            copier.copy(version, first, None)
            first.finish()
            assert doomed == 0
            copier.copy(version, second, None)
            second.finish()
            assert (doomed > 0, second.stored_bytes) == (True, 0)
        first.abort()
        come_by()
        second.pause()
        report = copy_all(source, destination, [DATASET])
        assert report.bytes_sent < 1 << 20
        assert_same(source, destination, [DATASET])


@pytest.mark.parametrize("is_expired", [True, False])
def test_what_a_copy_has_sent_outlives_its_process(config: Config, there: Config, *, is_expired: bool) -> None:
    """Everything ends at once, as when the process is killed; what was sent before is found by the next copy."""
    with open_repository(config) as source:
        version = commit(source, {f"{number}.bin": noise(number, 36 << 20) for number in range(3)}, artifact=DATASET).version

        def die_after_a_pack(point: str) -> None:
            if "after packs.add" in points.passed:
                raise _Crash(point)

        points = Points(0, die_after_a_pack, for_ever=True)
        with crashing_repository(there, points) as destination, ThreadPoolExecutor(2) as executor:
            copier = VersionCopier(source, executor, CopyTotals(), lambda: None)
            ingest = begin_ingest(destination, "tester")
            with pytest.raises(_Crash):
                copier.copy(version, ingest, None)
            with pytest.raises(_Crash):
                ingest.pause()
        with open_repository(there) as destination:
            if is_expired:
                expire_leases(destination)
            report = copy_all(source, destination, [DATASET])
            assert report.bytes_found > 30 << 20
            assert report.bytes_sent < 80 << 20
            collect_garbage(destination, grace_s=0)
            assert_same(source, destination, [DATASET])


def test_a_copy_that_ends_at_any_point_is_finished_by_the_next_one(config: Config, tmp_path: Path) -> None:
    with open_repository(config) as source:
        source.registry.runs.create("tester", "default", run_id="prepare")
        commit(source, {"a.txt": b"one"}, aliases=["best"], run_id="prepare", artifact=DATASET)
        at, reached = 0, True
        while reached:
            there = load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(tmp_path / f"there-{at}")})
            points = Points(at, _crash, for_ever=True)
            with crashing_repository(there, points) as destination, contextlib.suppress(_Crash):
                copy_all(source, destination, [DATASET])
            reached = points.reached
            with open_repository(there) as destination:
                expire_leases(destination)
                assert_sound(destination)
                copy_all(source, destination, [DATASET])
                assert_same(source, destination, [DATASET])
                collect_garbage(destination, grace_s=0)
                collect_garbage(destination, grace_s=0)
                assert_same(source, destination, [DATASET])
            at += 1
        assert at > 20


def test_two_copies_at_once_make_one(config: Config, there: Config) -> None:
    with open_repository(config) as source:
        for number in range(6):
            commit(source, {"a.bin": noise(number, 100_000), "b.bin": noise(99, 100_000)}, artifact=DATASET)

        def work(_: int) -> None:
            with open_repository(there) as destination:
                copy_all(source, destination, [DATASET])

        with open_repository(there) as destination:
            with ThreadPoolExecutor(3) as threads:
                list(threads.map(work, range(3)))
            assert_same(source, destination, [DATASET])


def test_a_destination_that_commits_meanwhile_gets_numbers_after_those_of_the_source(
    repository: Repository, destination: Repository
) -> None:
    """The first version that is copied keeps the numbers of all others free."""
    make_history(repository)

    def on_progress(done: int, size: int) -> None:
        if destination.registry.imports.next_number(DATASET) == 4 and not own:
            own.append(commit(destination, {"own.txt": b"own"}, artifact=DATASET).version.number)

    own: list[int] = []
    report = copy_all(repository, destination, [DATASET], on_progress=on_progress)
    assert own == [4]
    assert report.artifacts[0].aliases.left == {"latest": 4}
    assert [version.number for version in destination.registry.versions.list(DATASET)] == [4, 3, 2, 0]
