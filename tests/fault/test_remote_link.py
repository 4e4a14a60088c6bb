"""Clients at one end of a slow link, servers at the other: the network goes away for a while, and loses packets."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mount.mounting import eventually
from tests.servers.link import Link
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedFs

MIB = 1 << 20
#: What a network that changes its route, or a switch that is started anew, takes.
AWAY_S = 10.0


@dataclass(frozen=True)
class Far:
    """Both servers at the other end of the link, and a new store there."""

    link: Link
    environ: Mapping[str, str]

    def start(self, *arguments: object, home: Path) -> subprocess.Popen[bytes]:
        """artfs on a client's machine, whose own folder is `home`."""
        command = [*self.link.at_client, str(Path(sys.executable).with_name("artfs")), *map(str, arguments)]
        env = {**self.environ, "ARTFS_HOME": str(home), "ARTFS_MEMORY": "32MiB"}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def artfs(self, *arguments: object, home: Path) -> bytes:
        return finish(self.start(*arguments, home=home))


def finish(process: subprocess.Popen[bytes]) -> bytes:
    with process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return output


@pytest.fixture
def far(link: Link, environ: dict[str, str]) -> Iterator[Far]:
    with link.inside_server():
        s3 = SeaweedFs.start(link.server_address)
        postgres = PostgresServer.start(link.server_address)
        bucket, database = s3.create_bucket(), postgres.create_database()
    stores = {"ARTFS_OBJECTS": f"s3://{bucket}/shared", "ARTFS_REGISTRY": database}
    yield Far(link, {**environ, **s3.environ, **stores})
    postgres.stop()
    s3.stop()


def test_a_put_and_a_mount_that_reads_wait_for_a_network_that_goes_away_for_ten_seconds(far: Far, tmp_path: Path) -> None:
    content = {name: random.Random(name).randbytes(64 * MIB) for name in ("read.bin", "put.bin")}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    far.artfs("put", tmp_path / "read.bin", "read", home=tmp_path / "writer")
    mountpoint = tmp_path / "mnt"
    mountpoint.mkdir()
    far.artfs("mount", mountpoint, home=tmp_path / "reader")
    try:
        with ThreadPoolExecutor(1) as pool, (mountpoint / "read/latest/read.bin").open("rb", buffering=0) as file:
            first = file.read(MIB)
            before = far.link.carried().up
            putting = far.start("put", tmp_path / "put.bin", "put", home=tmp_path / "writer")
            eventually(lambda: far.link.carried().up - before > 4 * MIB, what="the upload")
            far.link.cut()
            reading = pool.submit(lambda: b"".join([first, *iter(lambda: file.read(MIB), b"")]))
            threading.Event().wait(AWAY_S)
            assert putting.poll() is None
            assert not reading.done()
            far.link.heal()
            assert reading.result() == content["read.bin"]
            finish(putting)
    finally:
        far.artfs("umount", mountpoint, home=tmp_path / "reader")
    assert far.artfs("cat", "put:latest/put.bin", home=tmp_path / "reader") == content["put.bin"]


def test_a_link_that_loses_packets_slows_down_and_nothing_else(far: Far, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(200):
        (source / f"{number:03}").write_bytes(random.Random(number).randbytes(40_000))
    far.link.set_loss(0.02)
    far.artfs("put", source, "data", home=tmp_path / "writer")
    far.artfs("get", "data", tmp_path / "copy", home=tmp_path / "reader")
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()} == {
        path.name: path.read_bytes() for path in source.iterdir()
    }
