"""The servers as fixtures of every test: one of each in a test process, started when a test first asks for it.

`http_server` is an nginx; `faulty_http` does wrong what the test tells it to, and is new for each test.

`s3_proxy` and `gcs_proxy` are haproxies in front of the same servers, which note requests and let them go wrong; each test gets
them with an empty list and no fault set. `many_objects` is a bucket of the S3 server that takes some seconds to fill.

`mortal_s3`, `mortal_gcs` and `mortal_postgres` are servers that a test may kill and start again with their data, as nobody else
uses them meanwhile; one that a test has left dead is started again for the next. `ceph_server` is a second opinion on S3.

`link` is a slow link between two network namespaces, new for each test; it takes root.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.ceph import Ceph, why_no_ceph
from tests.servers.fake_gcs import FakeGcs
from tests.servers.faulty_http import FaultyHttp
from tests.servers.haproxy import HaProxy
from tests.servers.link import Link, why_no_link
from tests.servers.nginx import Nginx
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedFs


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[SeaweedFs]:
    server = SeaweedFs.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[FakeGcs]:
    server = FakeGcs.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def ceph_server() -> Iterator[Ceph]:
    if reason := why_no_ceph():
        pytest.skip(reason)
    server = Ceph.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _s3_to_kill() -> Iterator[SeaweedFs]:
    server = SeaweedFs.start()
    yield server
    server.stop()


@pytest.fixture
def mortal_s3(_s3_to_kill: SeaweedFs) -> Iterator[SeaweedFs]:
    yield _s3_to_kill
    if not _s3_to_kill.is_running:
        _s3_to_kill.resume()


@pytest.fixture(scope="session")
def _gcs_to_kill() -> Iterator[FakeGcs]:
    server = FakeGcs.start(in_files=True)
    yield server
    server.stop()


@pytest.fixture
def mortal_gcs(_gcs_to_kill: FakeGcs) -> Iterator[FakeGcs]:
    yield _gcs_to_kill
    if not _gcs_to_kill.is_running:
        _gcs_to_kill.resume()


@pytest.fixture(scope="session")
def _postgres_to_kill() -> Iterator[PostgresServer]:
    server = PostgresServer.start(crash_safe=True)
    yield server
    server.stop()


@pytest.fixture
def mortal_postgres(_postgres_to_kill: PostgresServer) -> Iterator[PostgresServer]:
    yield _postgres_to_kill
    if not _postgres_to_kill.is_running:
        _postgres_to_kill.resume()


@pytest.fixture(scope="session")
def many_objects(s3_server: SeaweedFs) -> str:
    """A bucket of versions with 10 001 objects: all/00000 to all/09999, and more/00000. Each holds its own key."""
    bucket = s3_server.create_bucket(versioned=True)
    s3_server.fill_fast(bucket, [*(f"all/{number:05d}" for number in range(10_000)), "more/00000"])
    return bucket


@pytest.fixture(scope="session")
def s3_haproxy(s3_server: SeaweedFs) -> Iterator[HaProxy]:
    proxy = HaProxy.start(s3_server.port)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def gcs_haproxy(gcs_server: FakeGcs) -> Iterator[HaProxy]:
    proxy = HaProxy.start(gcs_server.port, keep_host=False)
    yield proxy
    proxy.stop()


@pytest.fixture
def s3_proxy(s3_haproxy: HaProxy) -> HaProxy:
    s3_haproxy.clear()
    return s3_haproxy


@pytest.fixture
def gcs_proxy(gcs_haproxy: HaProxy) -> HaProxy:
    gcs_haproxy.clear()
    return gcs_haproxy


@pytest.fixture
def link() -> Iterator[Link]:
    if reason := why_no_link():
        pytest.skip(reason)
    link = Link.start()
    yield link
    link.stop()


@pytest.fixture(scope="session")
def http_server() -> Iterator[Nginx]:
    server = Nginx.start()
    yield server
    server.stop()


@pytest.fixture
def faulty_http() -> Iterator[FaultyHttp]:
    server = FaultyHttp()
    yield server
    server.stop()


@pytest.fixture
def self_signed_https(tmp_path: Path) -> Iterator[FaultyHttp]:
    """One that speaks TLS under a certificate that nobody trusts."""
    server = FaultyHttp(tmp_path)
    yield server
    server.stop()
