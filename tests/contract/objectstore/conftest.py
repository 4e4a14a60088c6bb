"""Every body and every wrapper of the interface, new and empty for each test; buckets are those of real servers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from artfs.cloud.buckets import BucketClient
from artfs.cloud.gcs import GcsClient
from artfs.cloud.s3 import S3Client
from artfs.content.workers import Workers
from artfs.objectstore.bucket import BucketStore
from artfs.objectstore.hedged import HedgedStore
from artfs.objectstore.local import LocalStore
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.metered import MeteredStore
from artfs.objectstore.open import open_objects
from artfs.objectstore.protocol import ObjectStore
from tests.unit.cloud.conftest import Place, SetEnviron, open_place
from tests.unit.cloud.conftest import clients as clients  # noqa: PLC0414  a fixture
from tests.unit.cloud.conftest import set_environ as set_environ  # noqa: PLC0414  a fixture

LOCAL: dict[str, Callable[[Path], ObjectStore]] = {
    "local": lambda folder: LocalStore(folder / "objects"),
    "local with two descriptors": lambda folder: LocalStore(folder / "objects", open_files=2),
    "memory": lambda folder: MemoryStore(),
    "metered memory": lambda folder: MeteredStore(MemoryStore()),
    "metered local": lambda folder: MeteredStore(LocalStore(folder / "objects")),
    "hedged memory": lambda folder: HedgedStore(MemoryStore(), Workers(4, "requests")),
    "opened by address": lambda folder: open_objects(f"file://{folder}/deep/objects"),
}
REMOTE = ["s3", "s3 whole bucket", "metered s3", "ceph", "gs", "gs opened by address"]
#: Whose kinds have the word in them: the fixture.
SERVERS = {"s3": "s3_server", "ceph": "ceph_server", "gs": "gcs_server"}


class Buckets:
    """The servers, a bucket of each, and a client of each that lives as long as the tests: opening one takes a while."""

    def __init__(self, get_server: Callable[[str], Any]) -> None:
        self._get_server = get_server
        self._names: dict[str, str] = {}
        self._clients: dict[str, BucketClient] = {}

    def environ(self, server: str) -> Mapping[str, str]:
        environ: Mapping[str, str] = self._server(server).environ
        return environ

    def name(self, server: str) -> str:
        if server not in self._names:
            self._names[server] = self._server(server).create_bucket()
        return self._names[server]

    def new(self, server: str) -> str:
        return str(self._server(server).create_bucket())

    def client(self, server: str) -> BucketClient:
        if server not in self._clients:
            self._clients[server] = GcsClient() if server == "gs" else S3Client()
        return self._clients[server]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _server(self, server: str) -> Any:
        return self._get_server(SERVERS[server])


@pytest.fixture(scope="session")
def buckets(request: pytest.FixtureRequest) -> Iterator[Buckets]:
    opened = Buckets(request.getfixturevalue)
    yield opened
    opened.close()


@pytest.fixture(params=[*LOCAL, *REMOTE])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param in LOCAL:
        return LOCAL[request.param](tmp_path)
    return open_remote(request.param, request)


def open_remote(kind: str, request: pytest.FixtureRequest) -> ObjectStore:
    """A new store of one of the kinds in REMOTE."""
    server = next(server for server in SERVERS if server in kind.split())
    buckets: Buckets = request.getfixturevalue("buckets")
    request.getfixturevalue("set_environ")(buckets.environ(server))
    prefix = f"Some-Prefix/{uuid.uuid4().hex}"
    if "address" in kind:
        return open_objects(f"{'gs' if server == 'gs' else 's3'}://{buckets.name(server)}/{prefix}")
    if "whole" in kind:
        return BucketStore(buckets.client(server), buckets.new(server))
    store = BucketStore(buckets.client(server), buckets.name(server), prefix)
    return MeteredStore(store) if "metered" in kind else store


@pytest.fixture(params=["s3", "gs"])
def place(request: pytest.FixtureRequest, set_environ: SetEnviron) -> Place:
    """A new bucket behind a proxy that lets requests go wrong."""
    return open_place(request.param, request, set_environ)
