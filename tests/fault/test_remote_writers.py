"""Writers on several hosts that are killed at random: what was acknowledged is there, whole, and nothing else is half there.

With ARTFS_TEST_LONG=1 ten times as many versions are made, and both servers are killed and started again meanwhile.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from artfs.config import load_config
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.fault.remote_writer import SHARED, TOKEN_FILE
from tests.fault.versions import ARTIFACT, assert_sound, read_all, resolve
from tests.mount.mounting import eventually
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedFs
from tests.servers.tcp_proxy import TcpProxy
from tests.unit.cloud.conftest import SetEnviron
from tests.unit.cloud.conftest import set_environ as set_environ  # noqa: PLC0414  a fixture

LONG = bool(os.environ.get("ARTFS_TEST_LONG"))
VERSIONS = 2000 if LONG else 200
KILLS = 120 if LONG else 12
WRITERS = 4


@dataclass
class Log:
    """What a writer noted. A line that was not finished was not acknowledged to anybody."""

    path: Path

    def lines(self) -> list[list[str]]:
        if not self.path.exists():
            return []
        whole, _, _ = self.path.read_text().rpartition("\n")
        return [line.split() for line in whole.splitlines()]

    def done(self) -> dict[str, int]:
        return {line[1]: int(line[2]) for line in self.lines() if line[0] == "done"}

    def failed(self) -> dict[str, str]:
        return {line[1]: line[2] for line in self.lines() if line[0] == "failed"}

    def unfinished(self) -> set[str]:
        """The commit under way when it was killed."""
        begun = {line[1] for line in self.lines() if line[0] == "begun"}
        return begun - self.done().keys() - self.failed().keys()


@dataclass
class Writers:
    """Four of them at any time, each started again under another name when it was killed; half of them come through the proxy."""

    folder: Path
    environs: list[dict[str, str]]
    logs: list[Log] = field(default_factory=list)
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, place: int) -> None:
        log = Log(self.folder / f"log-{len(self.logs)}")
        environ = {**self.environs[place % len(self.environs)], "ARTFS_HOME": str(self.folder / f"host-{place}")}
        command = ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", "tests.fault.remote_writer", str(log.path)]
        name = f"writer-{len(self.logs)}"
        self.logs.append(log)
        self.running[place] = subprocess.Popen([*command, name], env=environ, cwd=Path(__file__).parents[2])

    def kill(self, place: int) -> None:
        process = self.running.pop(place)
        assert process.poll() is None, "a writer ended by itself"
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        for place in list(self.running):
            self.kill(place)

    def wait_for(self, count: int) -> None:
        """Until so many versions were acknowledged."""
        eventually(lambda: len(self.acknowledged()) >= count, within_s=120, what=f"version {count}")

    def acknowledged(self) -> dict[str, int]:
        return {token: number for log in self.logs for token, number in log.done().items()}


@pytest.fixture
def remote_environ(
    mortal_postgres: PostgresServer, mortal_s3: SeaweedFs, environ: dict[str, str], set_environ: SetEnviron
) -> dict[str, str]:
    set_environ(mortal_s3.environ)
    objects = {"ARTFS_OBJECTS": f"s3://{mortal_s3.create_bucket()}/shared", "ARTFS_REGISTRY": mortal_postgres.create_database()}
    return {**environ, **mortal_s3.environ, **objects}


@pytest.fixture
def proxy(mortal_postgres: PostgresServer) -> Iterator[TcpProxy]:
    proxy = TcpProxy.start(mortal_postgres.port)
    yield proxy
    proxy.stop()


@pytest.fixture
def writers(remote_environ: dict[str, str], mortal_postgres: PostgresServer, proxy: TcpProxy, tmp_path: Path) -> Iterator[Writers]:
    direct = remote_environ["ARTFS_REGISTRY"]
    through_proxy = direct.replace(f":{mortal_postgres.port}/", f":{proxy.port}/")
    assert through_proxy != direct
    writers = Writers(tmp_path, [remote_environ, {**remote_environ, "ARTFS_REGISTRY": through_proxy}])
    yield writers
    for process in writers.running.values():
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(1800 if LONG else 300)
def test_no_acknowledged_version_of_writers_that_are_killed_is_lost_and_none_is_half_there(
    writers: Writers,
    remote_environ: dict[str, str],
    proxy: TcpProxy,
    mortal_s3: SeaweedFs,
    mortal_postgres: PostgresServer,
) -> None:
    chance = random.Random(1)
    for place in range(WRITERS):
        writers.start(place)
    for kill in range(1, KILLS + 1):
        target = VERSIONS * kill // (KILLS + 1)
        writers.wait_for(target)
        place = chance.randrange(WRITERS)
        writers.kill(place)
        if kill % 4 == 0:
            proxy.break_connections()
        if LONG and kill % 30 == 0:
            servers: list[SeaweedFs | PostgresServer] = [mortal_s3, mortal_postgres]
            server = chance.choice(servers)
            server.kill()
            server.resume()
        writers.start(place)
    writers.wait_for(VERSIONS)
    writers.kill_all()
    with open_repository(load_config(environ=remote_environ)) as repository:
        assert_all_acknowledged_are_there(repository, writers)
        assert_sound(repository)


def assert_all_acknowledged_are_there(repository: Repository, writers: Writers) -> None:
    found: dict[str, int] = {}
    for version in repository.registry.versions.list(ARTIFACT):
        content = read_all(repository, version)
        token = content[TOKEN_FILE].decode()
        name = token.rpartition("-")[0]
        assert content.keys() == {TOKEN_FILE, "shared.bin", f"own/{name}.bin"}
        assert content["shared.bin"] == SHARED
        assert token not in found
        found[token] = version.number
    acknowledged = writers.acknowledged()
    assert acknowledged.items() <= found.items()
    # What else is there was committed, and its writer was killed, or lost its connection, before it was told so.
    unheard = found.keys() - acknowledged.keys()
    unknown = {token for log in writers.logs for token in (*log.unfinished(), *log.failed())}
    assert unheard <= unknown
    assert sorted(found.values()) == list(range(len(found)))
    assert resolve(repository, "latest").number == len(found) - 1
    failures = [failure for log in writers.logs for failure in log.failed().values()]
    assert set(failures) <= {"RegistryUnavailable", "StoreUnavailable", "LeaseLost"}, failures
