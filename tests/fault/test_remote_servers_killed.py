"""Servers that are killed and started again in mid-put, mid-commit, mid-transaction and mid-read (I1, I3)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from artfs.cloud.retry import RetryPolicy
from artfs.cloud.s3 import S3Client
from artfs.config import load_config
from artfs.errors import RegistryUnavailable, StoreUnavailable
from artfs.mount.control import start_mount
from artfs.objectstore.bucket import BucketStore
from artfs.objectstore.open import open_objects
from artfs.registry.open import open_registry
from artfs.repository.open import assemble_repository, open_repository
from artfs.repository.repository import Repository
from tests.fault.crashing import CrashingStore, crashing_registry
from tests.fault.moments import Moment
from tests.fault.remote_fixtures import object_server as object_server  # noqa: PLC0414  fixtures
from tests.fault.remote_fixtures import remote_environ as remote_environ  # noqa: PLC0414
from tests.fault.remote_fixtures import set_environ as set_environ  # noqa: PLC0414
from tests.fault.versions import AFTER, BEFORE, assert_all_or_nothing, assert_recovers, assert_sound, commit, read_all, resolve
from tests.mount.mounting import eventually, stop
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedFs

MIB = 1 << 20


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    """For what goes on while the test, which is the main thread, kills servers."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def repository_with(moment: Moment, environ: dict[str, str]) -> Repository:
    config = load_config(environ=environ)
    registry = crashing_registry(open_registry(config.registry), moment)
    return assemble_repository(config, registry, CrashingStore(open_objects(config.objects), moment))


@pytest.mark.parametrize("object_server", ["s3", "gcs"], indirect=True)
def test_a_commit_survives_that_the_object_store_is_killed_in_mid_put(
    object_server: Any, remote_environ: dict[str, str], worker: ThreadPoolExecutor
) -> None:
    several_packs = {f"part-{number}": random.Random(number).randbytes(33 * MIB) for number in range(3)}
    with open_repository(load_config(environ=remote_environ)) as repository:
        commit(repository, BEFORE)
    moment = Moment("after put")
    with repository_with(moment, remote_environ) as repository:
        committing = worker.submit(commit, repository, several_packs)
        moment.wait()  # one pack is there; others are on their way
        object_server.kill()
        moment.pass_on()
        object_server.resume()
        version = committing.result().version
    with open_repository(load_config(environ=remote_environ)) as repository:
        assert read_all(repository, version) == several_packs
        assert_sound(repository)


@pytest.mark.parametrize("point", ["before put", "before versions.commit"])
def test_a_commit_survives_that_the_object_store_is_killed_before_its_last_steps(
    object_server: SeaweedFs, remote_environ: dict[str, str], worker: ThreadPoolExecutor, point: str
) -> None:
    with open_repository(load_config(environ=remote_environ)) as repository:
        repository.registry.runs.create("tester", "default", run_id="the-run")
        commit(repository, BEFORE)
    moment = Moment(point)
    with repository_with(moment, remote_environ) as repository:
        committing = worker.submit(commit, repository, AFTER, aliases=["best"], run_id="the-run")
        moment.wait()
        object_server.kill()
        moment.pass_on()
        object_server.resume()
        assert committing.result().version.number == 1
    with open_repository(load_config(environ=remote_environ)) as repository:
        assert assert_all_or_nothing(repository)


def test_a_commit_whose_object_store_stays_away_fails_and_leaves_nothing(
    object_server: SeaweedFs, remote_environ: dict[str, str]
) -> None:
    config = load_config(environ=remote_environ)
    with open_repository(config) as repository:
        repository.registry.runs.create("tester", "default", run_id="the-run")
        commit(repository, BEFORE)
    bucket, _, prefix = config.objects.removeprefix("s3://").partition("/")
    client = S3Client(write_policy=RetryPolicy(attempts=2, last_start_s=2))
    with assemble_repository(config, open_registry(config.registry), BucketStore(client, bucket, prefix)) as repository:
        object_server.kill()
        with pytest.raises(StoreUnavailable, match=bucket):
            commit(repository, AFTER, aliases=["best"], run_id="the-run")
        object_server.resume()
        assert not assert_all_or_nothing(repository)
        assert_recovers(repository, happened=False)


def test_a_transaction_that_postgresql_is_killed_in_took_place_or_did_not(
    remote_environ: dict[str, str], mortal_postgres: PostgresServer, worker: ThreadPoolExecutor
) -> None:
    with open_repository(load_config(environ=remote_environ)) as repository:
        repository.registry.runs.create("tester", "default", run_id="the-run")
        commit(repository, BEFORE)
        url = remote_environ["ARTFS_REGISTRY"]
        with closing(psycopg.connect(url)) as holding, closing(psycopg.connect(url, autocommit=True)) as looking:
            holding.execute("SELECT * FROM collections FOR UPDATE")
            committing = worker.submit(commit, repository, AFTER, aliases=["best"], run_id="the-run")
            waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'artfs'"
            eventually(lambda: looking.execute(waits).fetchone(), what="the transaction")
            mortal_postgres.kill()
        mortal_postgres.resume()
        error = committing.exception()
        assert error is None or isinstance(error, RegistryUnavailable)
        happened = assert_all_or_nothing(repository)
        assert happened or error is not None
        assert_recovers(repository, happened=happened)


def test_a_process_goes_on_after_postgresql_was_killed_and_started_again(
    remote_environ: dict[str, str], mortal_postgres: PostgresServer
) -> None:
    with open_repository(load_config(environ=remote_environ)) as repository:
        commit(repository, BEFORE)
        mortal_postgres.kill()
        mortal_postgres.resume()
        assert commit(repository, AFTER).version.number == 1
        assert read_all(repository, resolve(repository, "latest")) == AFTER


def test_a_mount_reads_on_when_the_object_store_was_killed_in_mid_read(
    object_server: SeaweedFs, remote_environ: dict[str, str], tmp_path: Path, worker: ThreadPoolExecutor
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(random.Random(5).randbytes(64 * MIB))
    artfs = str(Path(sys.executable).with_name("artfs"))
    subprocess.run([artfs, "put", large, "data"], env=remote_environ, check=True, capture_output=True)
    # Little memory, so that most of the file cannot have been read ahead when the server is gone.
    config = load_config(environ={**remote_environ, "ARTFS_HOME": str(tmp_path / "reader"), "ARTFS_MEMORY": "32MiB"})
    (tmp_path / "mnt").mkdir()
    info = start_mount(config, tmp_path / "mnt")
    try:
        with (info.mountpoint / "data/latest/large.bin").open("rb", buffering=0) as file:
            beginning = os.pread(file.fileno(), MIB, 0)
            object_server.kill()
            reading = worker.submit(lambda: b"".join(iter(lambda: file.read(MIB), b"")))
            object_server.resume()
            assert reading.result() == large.read_bytes()
            assert beginning == large.read_bytes()[:MIB]
    finally:
        stop(config, info)
