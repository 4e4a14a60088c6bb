"""A place for objects of each kind, and the references that artfs opens over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artfs.cloud.http import HTTP_POLICY, HttpClient
from artfs.references.http import HttpHome
from artfs.references.open import open_references
from artfs.references.references import References
from tests.contract.references.homes import FolderPlace, GcsPlace, Place, S3Place, WebPlace
from tests.contract.references.web import OpenWeb
from tests.servers.fake_gcs import FakeGcs
from tests.servers.nginx import Nginx
from tests.servers.seaweedfs import SeaweedFs

#: The ways of nginx are described in `tests/servers/nginx.py`.
WEB = {"http": "", "http without ETag": "noetag", "http without ranges": "norange", "http redirected": "redirect"}
WEB |= {"http without HEAD": "nohead", "http compressing": "gzip"}
BUCKETS = ["s3 with versions", "s3", "gs"]
PLACES = ["file", *WEB, *BUCKETS]


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> Iterator[References]:
    """One for all tests: a client of S3 takes half a second to make."""
    opened = open_references(tmp_path_factory.mktemp("cache"))
    yield opened
    opened.close()


@pytest.fixture
def open_web() -> Iterator[OpenWeb]:
    """Opens references over HTTP that wait for nothing longer than a test may take."""
    opened: list[References] = []

    def open_references(budget_s: float = 20, **environ: str) -> References:
        home = HttpHome(
            HttpClient({"NETRC": "/nowhere", **environ}, replace(HTTP_POLICY, first_wait_s=0.005, last_start_s=budget_s))
        )
        opened.append(References({"http": home, "https": home}))
        return opened[-1]

    yield open_references
    for references in opened:
        references.close()


@pytest.fixture
def web(open_web: OpenWeb) -> References:
    return open_web()


class S3Buckets:
    """One bucket with versions and one without: making one takes SeaweedFS a second, and it has room for a few."""

    def __init__(self, server: SeaweedFs) -> None:
        self.client = server.client()
        self._names = {versioned: server.create_bucket(versioned=versioned) for versioned in (True, False)}

    def place(self, *, versioned: bool) -> S3Place:
        return S3Place(self.client, self._names[versioned], versioned=versioned)


@pytest.fixture(scope="session")
def s3_buckets(s3_server: SeaweedFs) -> S3Buckets:
    return S3Buckets(s3_server)


@pytest.fixture(scope="session")
def gcs_bucket(gcs_server: FakeGcs) -> Any:
    return gcs_server.client().bucket(gcs_server.create_bucket())


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return make_place(request.param, request, tmp_path, monkeypatch)


@pytest.fixture(params=["file", *BUCKETS])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """One in which a URI may lead to many objects."""
    return make_place(request.param, request, tmp_path, monkeypatch)


def make_place(kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if kind == "file":
        return FolderPlace(tmp_path / "local")
    if kind in WEB:
        web: Nginx = request.getfixturevalue("http_server")
        return WebPlace(web, WEB[kind])
    if kind == "gs":
        gcs: FakeGcs = request.getfixturevalue("gcs_server")
        _set_environ(gcs.environ, monkeypatch)
        return GcsPlace(request.getfixturevalue("gcs_bucket"))
    s3: SeaweedFs = request.getfixturevalue("s3_server")
    _set_environ(s3.environ, monkeypatch)
    buckets: S3Buckets = request.getfixturevalue("s3_buckets")
    return buckets.place(versioned=kind == "s3 with versions")


def _set_environ(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendors' libraries read the environment of the process."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
