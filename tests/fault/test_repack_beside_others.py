"""Repacks of a shared store: beside writers that find chunks being moved, beside readers, and killed at any moment (I1, I2, I4).

With ARTFS_TEST_LONG=1 ten times as many repacks are killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.config import load_config
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from artfs.repository.repack import repack
from artfs.repository.repository import Repository
from tests.fault.remote_writer import SHARED, TOKEN_FILE
from tests.fault.repack_worker import ALL
from tests.fault.test_remote_writers import Log
from tests.fault.versions import (
    ARTIFACT,
    assert_gc_leaves_exactly_what_is_needed,
    assert_sound,
    commit,
    expire_leases,
    read_all,
    resolve,
)
from tests.mount.mounting import eventually
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedFs
from tests.unit.cloud.conftest import SetEnviron
from tests.unit.cloud.conftest import set_environ as set_environ  # noqa: PLC0414  a fixture

HELD = ArtifactName("tester", "default", "held")
LONG = bool(os.environ.get("ARTFS_TEST_LONG"))
KILLS = 40 if LONG else 4
WRITERS = 2 if LONG else 1
#: Versions that stay when the oldest are deleted.
KEPT = 4


@pytest.fixture
def shared(
    environ: dict[str, str], s3_server: SeaweedFs, postgres_server: PostgresServer, set_environ: SetEnviron
) -> Iterator[dict[str, str]]:
    """The environment of who uses a new store in S3 with a registry in PostgreSQL; this process's as well."""
    set_environ(s3_server.environ)
    database = postgres_server.create_database()
    stores = {"ARTFS_OBJECTS": f"s3://{s3_server.create_bucket()}/shared", "ARTFS_REGISTRY": database}
    yield {**environ, **s3_server.environ, **stores}
    postgres_server.drop_database(database)


def open_shared(shared: dict[str, str]) -> Repository:
    return open_repository(load_config(environ={**shared, "ARTFS_CACHE_LIMIT": "0"}))


def test_repack_of_a_bucket_moves_what_is_in_use_with_few_requests(shared: dict[str, str]) -> None:
    kept = {f"kept/{number:03}": os.urandom(5_000) for number in range(200)}
    with open_shared(shared) as repository:
        commit(repository, {**kept, **{f"gone/{number}": os.urandom(900_000) for number in range(5)}})
        versions = [commit(repository, {**kept, "own": b"%d" % number}).version for number in range(2)]
        repository.registry.versions.delete(resolve(repository, "v0").id)
        collect_garbage(repository, grace_s=0)
    with open_shared(shared) as repository:
        before = repository.objects.counts()
        report = repack(repository)
        counts = {verb: count - before[verb] for verb, count in repository.objects.counts().items()}
        assert (report.packs, report.moved, report.left) == (1, 2, 0)
        # Mark, two roots, and a page or two of each read twice; the content in a range for each window. Two packs are written.
        assert counts["read_range"] + counts["get"] <= 16
        assert counts["bytes_read"] < 1_300_000
        assert counts["put"] == 2
        assert_gc_leaves_exactly_what_is_needed(repository)
        for version in versions:
            assert read_all(repository, version).items() >= kept.items(), "by a record of before"
        assert_sound(repository)


def test_commit_that_has_found_chunks_that_are_moved_meanwhile_keeps_their_packs(shared: dict[str, str]) -> None:
    data = os.urandom(200_000)
    with open_shared(shared) as repository, open_shared(shared) as other:
        first = commit(repository, {"a": data}).version
        ingest = begin_ingest(repository, "tester")
        entry = ingest.add_bytes(data, "again")
        assert ingest.stored_bytes == 0
        for _ in range(2):
            assert repack(other, threshold=ALL).moved == 1
            assert collect_garbage(other, grace_s=0).deleted.packs == 0, "a commit that is under way may have found them"
        second = commit_entries(repository, ingest, [entry], CommitRequest(ARTIFACT, "dataset")).version
        assert read_all(other, second) == {"again": data}
        assert repack(other, threshold=ALL).moved == 2
        assert_gc_leaves_exactly_what_is_needed(other)
        assert (read_all(repository, first), read_all(repository, second)) == ({"a": data}, {"again": data})
        manifests = [repository.manifest(resolve(repository, name)) for name in ("v0", "v1")]
        assert len({entry.content for manifest in manifests for entry in manifest.iter_entries()}) == 1
        assert_sound(repository)


class Processes:
    """Programs of this folder that use the shared store, killed at the end."""

    def __init__(self, shared: dict[str, str], folder: Path) -> None:
        self._environ = shared
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        environ = {**self._environ, "ARTFS_HOME": str(self._folder / f"home-{len(self._running)}")}
        command = ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", f"tests.fault.{name}", *map(str, arguments)]
        process = subprocess.Popen(command, env=environ, cwd=Path(__file__).parents[2])
        self._running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes], repository: Repository | None = None) -> None:
        """Kill it, and do what time does to its leases."""
        assert process.poll() is None, "it ended by itself"
        process.kill()
        process.wait()
        self._running.remove(process)
        leases = repository.registry.leases if repository is not None else None
        for lease in leases.list_active() if leases is not None else ():
            if lease.holder.endswith(f":{process.pid}"):
                leases.end(lease.id)  # type: ignore[union-attr]

    def kill_all(self) -> None:
        for process in list(self._running):
            self.kill(process)


@pytest.fixture
def processes(shared: dict[str, str], tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(shared, tmp_path)
    yield processes
    processes.kill_all()


@pytest.mark.slow
@pytest.mark.timeout(1800 if LONG else 300)
def test_repacks_that_are_killed_harm_neither_writers_nor_readers(
    shared: dict[str, str], processes: Processes, tmp_path: Path
) -> None:
    held = {f"{number:02}": os.urandom(20_000) for number in range(50)}
    moves = tmp_path / "moves"
    logs = [Log(tmp_path / f"log-{number}") for number in range(WRITERS)]
    with open_shared(shared) as repository:
        first = commit(repository, {**held, "shared.bin": SHARED}, artifact=HELD).version
        for number, log in enumerate(logs):
            processes.start("remote_writer", log.path, f"writer-{number}")
        deleted: set[int] = set()
        for kill in range(KILLS):
            repacker = processes.start("repack_worker", moves)
            wait_for_moment(repository, repacker, moves, after_a_round=kill % 2 == 0)
            wanted = len(acknowledged(logs)) + kill
            eventually(lambda: len(acknowledged(logs)) >= wanted, within_s=60, what="another few versions")  # noqa: B023
            read_some(repository, first, held, deleted)
            processes.kill(repacker, repository)
            deleted |= delete_old(repository)
        processes.kill_all()
        expire_leases(repository)
        told = moves.read_text().splitlines()
        assert not [line for line in told if not line.startswith("moved ")]
        assert sum(int(line.split()[1]) for line in told) > KILLS, "versions were moved"
        assert not any(log.failed() for log in logs)
        assert_all_there(repository, logs, deleted)
        assert read_all(repository, first) == {**held, "shared.bin": SHARED}
        repack(repository)
        assert_gc_leaves_exactly_what_is_needed(repository)
        assert_all_there(repository, logs, deleted)
        assert_sound(repository)


def wait_for_moment(repository: Repository, repacker: subprocess.Popen[bytes], moves: Path, *, after_a_round: bool) -> None:
    """Until the repacker has moved all versions once more, or is about to."""
    before = rounds(moves)
    if after_a_round:
        eventually(lambda: rounds(moves) > before, within_s=60, what="a round of the repacker")
        return
    leases = repository.registry.leases
    eventually(
        lambda: any(lease.holder.endswith(f":{repacker.pid}") for lease in leases.list_active()), within_s=60, what="a repack"
    )


def rounds(moves: Path) -> int:
    return len(moves.read_text().splitlines()) if moves.exists() else 0


def acknowledged(logs: list[Log]) -> dict[str, int]:
    return {token: number for log in logs for token, number in log.done().items()}


def read_some(repository: Repository, first: VersionRecord, held: dict[str, bytes], deleted: set[int]) -> None:
    """What was looked up long ago, and what is the newest, read while it is being moved."""
    for entry in list(repository.manifest(first).iter_entries())[len(deleted) % 5 :: 5]:
        data = repository.reader.read(entry, 0, entry.size)
        assert data == held.get(entry.path, SHARED)
    assert read_all(repository, resolve(repository, "latest"))["shared.bin"] == SHARED


def delete_old(repository: Repository) -> set[int]:
    """All but a few versions, so that moving all takes as long the next time."""
    old = repository.registry.versions.list(ARTIFACT)[KEPT:]
    for version in old:
        repository.registry.versions.delete(version.id, delete_aliases=True)
    return {version.number for version in old}


def assert_all_there(repository: Repository, logs: list[Log], deleted: set[int]) -> None:
    found = {version.number: read_all(repository, version) for version in repository.registry.versions.list(ARTIFACT)}
    for token, number in acknowledged(logs).items():
        if number not in deleted:
            assert found[number][TOKEN_FILE] == token.encode()
            assert found[number]["shared.bin"] == SHARED
    assert found.keys() | deleted == set(range(len(found) + len(deleted)))
