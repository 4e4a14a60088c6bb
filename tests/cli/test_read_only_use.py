"""Who only reads a shared store writes nothing to it: it is asked by GET and HEAD alone, whatever is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.cli.conftest import Artfs
from tests.servers.haproxy import HaProxy

FILES = {"large": Random(1).randbytes(3 << 20), "images/cat": b"meow", "images/dog": b"wuff"}
COMMANDS = [
    *(
        ["ls", "pets:v0", "-l"],
        ["cat", "pets:v0/images/cat"],
        ["show", "pets:v0"],
        ["versions", "pets"],
        ["diff", "pets:v0", "pets:v1"],
    ),
    *(["warm", "pets:v0"], ["status"], ["verify", "--read-data"], ["gc", "--dry-run", "--packs"]),
]


@pytest.fixture(params=["s3", "gcs"])
def proxy(request: pytest.FixtureRequest) -> HaProxy:
    proxy: HaProxy = request.getfixturevalue(f"{request.param}_proxy")
    return proxy


@pytest.fixture
def environ(environ: dict[str, str], request: pytest.FixtureRequest, proxy: HaProxy) -> dict[str, str]:
    """With objects in a bucket, which is asked for by way of the proxy."""
    name = request.node.callspec.params["proxy"]
    server = request.getfixturevalue(f"{name}_server")
    scheme = "gs" if name == "gcs" else "s3"
    return {**environ, **server.environ_at(proxy.endpoint), "ARTFS_OBJECTS": f"{scheme}://{server.create_bucket()}/store"}


def methods(proxy: HaProxy) -> set[str]:
    return {request.method for request in proxy.requests()}


def test_reading_asks_and_never_writes(artfs: Artfs, dataset: Callable[..., Path], proxy: HaProxy, tmp_path: Path) -> None:
    artfs("put", dataset(FILES), "pets")
    artfs("put", dataset({**FILES, "images/cat": b"purr"}), "pets")
    assert methods(proxy) & {"PUT", "POST"}
    for command in [*COMMANDS, ["get", "pets:v0", str(tmp_path / "copy")]]:
        proxy.clear()
        artfs(*command)
        assert methods(proxy) <= {"GET", "HEAD"}, command
    proxy.clear()
    (tmp_path / "mnt").mkdir()
    artfs("mount", tmp_path / "mnt", env={"ARTFS_CACHE_LIMIT": "0"})
    try:
        assert (tmp_path / "mnt/pets/latest/large").read_bytes() == FILES["large"]
    finally:
        artfs("umount", tmp_path / "mnt")
    assert "GET" in methods(proxy)
    assert methods(proxy) <= {"GET", "HEAD"}
