"""Where the figures of remote stores are measured: a client of real servers, over a slow link or on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.tools import S3Mount, run
from tests.servers.link import Link
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedFs


@dataclass(frozen=True, slots=True)
class Site:
    """An S3 server and a PostgreSQL, and how programs are run where their clients are.

    What is inside `near_server` comes to the servers without the link: for filling them. `bucket` holds what SDKs read.
    """

    name: str
    s3: SeaweedFs
    postgres: PostgresServer
    bucket: str
    at_client: tuple[str, ...] = ()
    near_server: Callable[[], AbstractContextManager[None]] = nullcontext

    def mounted_by(self, tool: str, mountpoint: Path) -> AbstractContextManager[Path]:
        """The bucket mounted by `rclone` or `s3fs`."""
        return S3Mount(tool, self.s3.environ, self.at_client).mounted(mountpoint, self.bucket)

    def sdk(self, module: str, *arguments: str) -> float:
        """Seconds that a program of `tests.bench` prints, run by a client."""
        command = [*self.at_client, sys.executable, "-m", f"tests.bench.{module}", *arguments]
        return float(run(command, env=dict(self.s3.environ)))


@contextmanager
def over_link() -> Iterator[Site]:
    """Servers at the other end of a link of 20 ms and 1 Gbit/s. Where there can be one (`why_no_link`)."""
    link = Link.start()
    try:
        with ExitStack() as stack:
            with link.inside_server():
                s3, postgres = stack.enter_context(_servers(link.server_address))
                bucket = s3.create_bucket()
            yield Site("20 ms, 1 Gbit/s", s3, postgres, bucket, link.at_client, link.inside_server)
    finally:
        link.stop()


@contextmanager
def on_loopback() -> Iterator[Site]:
    """Servers on this machine."""
    with _servers("127.0.0.1") as (s3, postgres):
        yield Site("loopback", s3, postgres, s3.create_bucket())


@contextmanager
def _servers(host: str) -> Iterator[tuple[SeaweedFs, PostgresServer]]:
    s3 = SeaweedFs.start(host)
    try:
        postgres = PostgresServer.start(host)
        try:
            yield s3, postgres
        finally:
            postgres.stop()
    finally:
        s3.stop()


def object_store(mountpoint: Path) -> Mapping[str, Any]:
    """What a mount has asked of its object store so far: requests by name, and `bytes_read`."""
    counts: Mapping[str, Any] = json.loads((mountpoint / ".artfs/status.json").read_bytes())["object_store"]
    return counts


def requests(counts: Mapping[str, Any]) -> int:
    return sum(count for name, count in counts.items() if not name.startswith("bytes_"))
