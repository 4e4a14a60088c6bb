"""A mount whose registry is down: what it knows goes on, what it does not know says why."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from artfs.errors import ArtfsError
from artfs.mount.control import start_mount
from artfs.repository.open import open_repository
from tests.contract.registry.relay import Fault, relay_to
from tests.mount.conftest import FILES
from tests.mount.mounting import Place, eventually
from tests.servers.postgres import PostgresServer


@dataclass
class SharedPlace(Place):
    """A home whose registry is in PostgreSQL."""

    registry: str = field(default="")

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "ARTFS_REGISTRY": self.registry}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One of this test's own, that can be killed."""
    server = PostgresServer.start(crash_safe=True)
    yield server
    server.stop()


def registry_state(mountpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((mountpoint / ".artfs" / "status.json").read_text())["registry"]
    return state


def test_known_versions_are_served_while_postgresql_is_down(tmp_path: Path, source: Path, server: PostgresServer) -> None:
    place = SharedPlace(tmp_path, server.create_database())
    place.commit(source, aliases=["best"])
    place.commit(source, "other")
    with place.mounted(expect_errors=True) as mountpoint:
        artifacts, known = sorted(os.listdir(mountpoint)), sorted(os.listdir(mountpoint / "data"))
        assert {"v0", "best", "latest"} <= set(known)
        assert registry_state(mountpoint) == {"reachable": True}
        server.kill()
        assert sorted(os.listdir(mountpoint)) == artifacts == [".artfs", "data", "other"]
        assert sorted(os.listdir(mountpoint / "data")) == known
        for name in ("v0", "best", "latest"):  # none of them was opened before
            assert (mountpoint / "data" / name / "labels.csv").read_bytes() == FILES["labels.csv"]
        with pytest.raises(OSError, match="Input/output") as refused:
            os.stat(mountpoint / "data" / "v7")
        assert refused.value.errno == errno.EIO
        assert "did not answer" in (mountpoint / ".artfs" / "errors").read_text()
        with pytest.raises(OSError, match="Input/output"):
            os.listdir(mountpoint / "other")
        paths = {line.split("\t")[1] for line in (mountpoint / ".artfs" / "errors").read_text().splitlines()}
        assert paths == {"data/v7", "other"}
        state = registry_state(mountpoint)
        assert state["reachable"] is False
        assert "did not answer" in state["reason"]
        server.resume()
        (source / "readme.txt").write_bytes(b"another edition\n")
        place.commit(source)
        eventually(partial(os.path.exists, mountpoint / "data" / "v1"), what="the version made after the outage")
        newest = mountpoint / "data" / "latest" / "readme.txt"
        eventually(lambda: newest.read_bytes() == b"another edition\n", what="the alias that moved")
        assert registry_state(mountpoint) == {"reachable": True}


def test_a_registry_that_falls_silent_keeps_nobody_waiting_for_what_is_known(
    tmp_path: Path, source: Path, postgres_server: PostgresServer
) -> None:
    database = postgres_server.create_database()
    with relay_to(postgres_server.port) as relay:
        place = SharedPlace(tmp_path, relay.url(database))
        place.commit(source, aliases=["best"])
        # Whoever waits for longer than the deadline gets EIO.
        with place.mounted(expect_errors=True, deadline_s=15) as mountpoint:
            data = mountpoint / "data"
            known = sorted(os.listdir(data))
            relay.fault = Fault.STALL
            eventually(lambda: registry_state(mountpoint)["reachable"] is False, what="the notice")
            assert "did not answer" in registry_state(mountpoint)["reason"]
            assert sorted(os.listdir(data)) == known
            for name in ("v0", "best", "latest"):
                assert (data / name / "labels.csv").read_bytes() == FILES["labels.csv"]
            told = json.loads((data / ".artfs/v0.json").read_text())
            assert (told["aliases"], told["producers"], told["registry"]["reachable"]) == (["best", "latest"], None, False)
            assert '"version": "v0"' in (data / ".artfs/log").read_text()
            assert not (data / ".artfs/nothing.json").exists()
            relay.fault = Fault.NONE
            eventually(lambda: registry_state(mountpoint) == {"reachable": True}, what="the return")
    postgres_server.drop_database(database)


def test_a_mount_that_has_looked_at_nothing_waits_seconds_for_a_silent_registry_and_shows_what_the_disk_knows(
    tmp_path: Path, source: Path, postgres_server: PostgresServer
) -> None:
    database = postgres_server.create_database()
    with relay_to(postgres_server.port) as relay:
        place = SharedPlace(tmp_path, relay.url(database))
        version = place.commit(source)
        with open_repository(place.config) as repository:
            repository.names.opened(version)
        # Whoever waits for longer than the deadline gets EIO: that is for two answers of three seconds, not of ten.
        with place.mounted(expect_errors=True, deadline_s=12) as mountpoint:
            relay.fault = Fault.STALL
            assert sorted(os.listdir(mountpoint)) == [".artfs", "data"]
            assert (mountpoint / "data/v0/labels.csv").read_bytes() == FILES["labels.csv"]
            relay.fault = Fault.NONE
    postgres_server.drop_database(database)


def test_a_registry_of_a_newer_schema_is_refused_although_names_are_known(
    tmp_path: Path, source: Path, postgres_server: PostgresServer
) -> None:
    place = SharedPlace(tmp_path, postgres_server.create_database())
    version = place.commit(source)
    with open_repository(place.config) as repository:
        repository.names.opened(version)
    with psycopg.connect(place.registry, autocommit=True) as connection:
        connection.execute("UPDATE artfs_schema SET version = 99")
    with pytest.raises(ArtfsError, match="newer artfs"):
        start_mount(place.config, place.mountpoint)
    postgres_server.drop_database(place.registry)


def test_a_mount_over_a_registry_that_is_upgraded_reads_on_and_commits_no_more(
    tmp_path: Path, source: Path, postgres_server: PostgresServer
) -> None:
    place = SharedPlace(tmp_path, postgres_server.create_database())
    place.commit(source)
    with place.mounted(expect_errors=True) as mountpoint:
        data = mountpoint / "data"
        with psycopg.connect(place.registry, autocommit=True) as connection:
            connection.execute("UPDATE artfs_schema SET version = 99")
        draft = data / "staging" / "more"
        draft.mkdir()
        (draft / "new").write_bytes(b"new")
        with pytest.raises(OSError, match="not permitted"):
            draft.rename(data / "best")
        assert "was written by a newer artfs" in (mountpoint / ".artfs" / "errors").read_text()
        assert (draft / "new").read_bytes() == b"new"
        assert (data / "v0" / "labels.csv").read_bytes() == FILES["labels.csv"]
    postgres_server.drop_database(place.registry)
