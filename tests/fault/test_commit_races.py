"""Commits beside other commits and beside gc, in threads and processes: numbers stay contiguous, nothing needed is deleted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artfs.config import Config
from artfs.errors import Conflict
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.fault.versions import ARTIFACT, assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, read_all, resolve

pytestmark = pytest.mark.parametrize("environ", ["sqlite", "postgres"], indirect=True)

SHARED = os.urandom(200_000)


def test_threads_that_commit_to_one_artifact_get_contiguous_numbers(repository: Repository) -> None:
    def work(number: int) -> int:
        return commit(repository, {"shared.bin": SHARED, "own.txt": b"%d" % number}, aliases=["mine"]).version.number

    with ThreadPoolExecutor(8) as pool:
        numbers = sorted(pool.map(work, range(24)))
    assert numbers == list(range(24))
    versions = repository.registry.versions.list(ARTIFACT)
    assert [version.aliases for version in versions if version.aliases] == [("latest", "mine")]
    assert not repository.leases.held
    assert_sound(repository)
    assert_gc_leaves_exactly_what_is_needed(repository)


def test_threads_that_commit_equal_content_share_one_version(repository: Repository) -> None:
    start = threading.Barrier(6)

    def work(_: int) -> tuple[int, bool]:
        start.wait(30)
        outcome = commit(repository, {"same.bin": SHARED})
        return outcome.version.number, outcome.created

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(work, range(6)))
    assert {number for number, _ in outcomes} == {0}
    assert sum(created for _, created in outcomes) == 1
    assert_sound(repository)
    assert_gc_leaves_exactly_what_is_needed(repository)


def _commit_in_process(environ: dict[str, str], worker: int, count: int) -> subprocess.Popen[str]:
    code = f"""
import sys
from artfs.config import load_config
from artfs.repository.open import open_repository
from tests.fault.versions import commit
with open_repository(load_config()) as repository:
    sys.stdin.readline()
    for number in range({count}):
        files = {{"shared.bin": bytes(range(256)) * 999, "own.txt": b"{worker}/%d" % number}}
        print(commit(repository, files).version.number, flush=True)
"""
    root = Path(__file__).parents[2]
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], cwd=root, env=environ, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_processes_that_commit_to_one_artifact_get_contiguous_numbers(config: Config, environ: dict[str, str]) -> None:
    with open_repository(config) as repository:
        workers = [_commit_in_process(environ, worker, 10) for worker in range(2)]
        outputs = [worker.communicate("go\n", timeout=120) for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], outputs
        numbers = sorted(int(line) for output, _ in outputs for line in output.split())
        assert numbers == list(range(20))
        assert resolve(repository, "latest").number == 19
        assert_sound(repository)
        assert_gc_leaves_exactly_what_is_needed(repository)


def test_gc_without_grace_beside_commits_and_deletions_never_takes_what_is_needed(repository: Repository) -> None:
    """Content comes and goes all the time, so that commits find chunks in packs that gc is about to doom (I4)."""
    stop = threading.Event()
    contents = [os.urandom(50_000) for _ in range(4)]

    def collect() -> int:
        rounds = 0
        while not stop.is_set():
            collect_garbage(repository, grace_s=0)
            rounds += 1
        return rounds

    def work(worker: int) -> int:
        conflicts = 0
        for number in range(12):
            files = {"content.bin": contents[(worker + number) % len(contents)], "own.txt": b"%d/%d" % (worker, number)}
            try:
                outcome = commit(repository, files)
            except Conflict:
                conflicts += 1
                continue
            assert read_all(repository, outcome.version) == files
            if number % 3:
                repository.registry.versions.delete(outcome.version.id, delete_aliases=True)
        return conflicts

    with ThreadPoolExecutor(4) as pool:
        collecting = pool.submit(collect)
        try:
            conflicts = sum(pool.map(work, range(3)))
        finally:
            stop.set()
        assert collecting.result() > 0
    # Leases protect what commits in flight have found. Only one that begins while a pack is just being doomed may be refused.
    assert conflicts <= 12
    assert_sound(repository)
    assert_gc_leaves_exactly_what_is_needed(repository)


def test_gc_in_another_process_beside_commits(config: Config, environ: dict[str, str]) -> None:
    code = """
import sys
from artfs.config import load_config
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
with open_repository(load_config()) as repository:
    print("ready", flush=True)
    for _ in range(10000):
        collect_garbage(repository, grace_s=0)
        if (repository.config.data_dir / "stop").exists():
            break
"""
    root = Path(__file__).parents[2]
    with open_repository(config) as repository:
        command = [sys.executable, "-c", code]
        collector = subprocess.Popen(command, cwd=root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert collector.stdout is not None
        assert collector.stdout.readline() == "ready\n"
        for number in range(15):
            outcome = commit(repository, {"shared.bin": SHARED, "own.txt": b"%d" % number})
            if number % 2:
                repository.registry.versions.delete(outcome.version.id, delete_aliases=True)
        (config.data_dir / "stop").touch()
        _, errors = collector.communicate(timeout=60)
        assert collector.returncode == 0, errors
        assert_sound(repository)
        assert_gc_leaves_exactly_what_is_needed(repository)


def test_commit_whose_lease_was_taken_by_gc_is_refused_and_leaves_nothing(repository: Repository) -> None:
    ingest = begin_ingest(repository, "tester")
    entry = ingest.add_bytes(SHARED, "a.bin")
    repository.registry.leases.end(ingest.lease)
    collect_garbage(repository, grace_s=0)
    with pytest.raises(Conflict, match="again"):
        commit_entries(repository, ingest, [entry], CommitRequest(ARTIFACT, "dataset"))
    assert repository.registry.collections.find(ARTIFACT) is None
    assert_gc_leaves_exactly_what_is_needed(repository)
