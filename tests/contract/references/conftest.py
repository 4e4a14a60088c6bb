"""A place for objects of each kind, and the references that artfs opens over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.references.open import open_references
from artfs.references.references import References
from tests.contract.references.homes import FolderPlace, GcsPlace, Place, S3Place, WebPlace
from tests.servers.fake_gcs import FakeGcs
from tests.servers.nginx import Nginx
from tests.servers.seaweedfs import SeaweedFs

#: The ways of nginx are described in `tests/servers/nginx.py`.
WEB = {"http": "", "http without ETag": "noetag", "http without ranges": "norange", "http redirected": "redirect"}
WEB |= {"http without HEAD": "nohead", "http compressing": "gzip"}
BUCKETS = ["s3 with versions", "s3", "gs"]
PLACES = ["file", *WEB, *BUCKETS]


@pytest.fixture
def references(tmp_path: Path) -> Iterator[References]:
    opened = open_references(tmp_path / "cache")
    yield opened
    opened.close()


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
        return GcsPlace(gcs)
    s3: SeaweedFs = request.getfixturevalue("s3_server")
    _set_environ(s3.environ, monkeypatch)
    return S3Place(s3, versioned=kind == "s3 with versions")


def _set_environ(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendors' libraries read the environment of the process."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
