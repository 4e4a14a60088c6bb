"""Clients of buckets over real servers, each reached through a haproxy that counts requests and lets them go wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from artfs.cloud.buckets import BucketClient
from artfs.cloud.gcs import GcsClient
from artfs.cloud.retry import RetryPolicy
from artfs.cloud.s3 import S3Client
from tests.servers.haproxy import HaProxy

#: The policy of artfs with less patience, so that a test of what never succeeds is soon over.
IMPATIENT = RetryPolicy(
    attempts=3, last_start_s=3, connect_timeout_s=1, read_timeout_s=0.5, attempt_timeout_s=2, first_wait_s=0.02, longest_wait_s=0.1
)


class SetEnviron(Protocol):
    def __call__(self, environ: Mapping[str, str]) -> None: ...


@dataclass
class Place:
    """A client, a new bucket for it, the proxy between, and the server behind."""

    scheme: str
    client: BucketClient
    bucket: str
    proxy: HaProxy
    server: Any
    keeps_versions: bool

    def put(self, key: str, data: bytes) -> None:
        self.server.fill(self.bucket, {key: data})

    def uri(self, key: str) -> str:
        return f"{self.scheme}://{self.bucket}/{key}"


@pytest.fixture
def set_environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SetEnviron:
    """Sets what the vendors' libraries read, and leaves nothing of what was there: neither variables nor files."""
    home = tmp_path / "home"
    home.mkdir()

    def set_all(environ: Mapping[str, str]) -> None:
        import os

        for name in os.environ:
            if name.startswith(("AWS_", "GOOGLE_", "STORAGE_", "CLOUDSDK_", "BOTO_")):
                monkeypatch.delenv(name)
        # Nobody asks whether this machine is one of Amazon's or Google's.
        for name, value in {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true", **environ}.items():
            monkeypatch.setenv(name, value)

    return set_all


@pytest.fixture(params=["s3", "s3 with versions", "gs"])
def place(request: pytest.FixtureRequest, set_environ: SetEnviron) -> Place:
    return open_place(request.param, request, set_environ)


@pytest.fixture
def s3_place(request: pytest.FixtureRequest, set_environ: SetEnviron) -> Place:
    """A bucket of S3 without versions."""
    return open_place("s3", request, set_environ)


@pytest.fixture
def gcs_place(request: pytest.FixtureRequest, set_environ: SetEnviron) -> Place:
    return open_place("gs", request, set_environ)


@pytest.fixture(scope="session")
def clients() -> Iterator[dict[str, BucketClient]]:
    """One of each, as opening one takes a tenth of a second: it keeps the environment in which it was first used."""
    opened: dict[str, BucketClient] = {"s3": S3Client(IMPATIENT), "gs": GcsClient(IMPATIENT)}
    yield opened
    for client in opened.values():
        client.close()


def open_place(kind: str, request: pytest.FixtureRequest, set_environ: SetEnviron, bucket: str = "") -> Place:
    scheme = kind.partition(" ")[0]
    vendor = "gcs" if scheme == "gs" else "s3"
    server, proxy = request.getfixturevalue(f"{vendor}_server"), request.getfixturevalue(f"{vendor}_proxy")
    set_environ(server.environ_at(proxy.endpoint))
    versioned = kind == "s3 with versions"
    bucket = bucket or server.create_bucket(versioned=versioned)
    return Place(scheme, request.getfixturevalue("clients")[scheme], bucket, proxy, server, versioned)
