"""`artfs warm` and `artfs mount --warm`: what they say, and that the server is asked for nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from artfs.config import Config
from tests.cli.conftest import Artfs, Program
from tests.mount.mounting import eventually
from tests.servers.haproxy import HaProxy
from tests.servers.seaweedfs import SeaweedFs

FILES = {"large": Random(1).randbytes(3 << 20), "images/cat": b"meow", "images/dog": b"wuff"}


@pytest.fixture
def environ(environ: dict[str, str], s3_server: SeaweedFs, s3_proxy: HaProxy) -> dict[str, str]:
    """With objects in a bucket, which is asked for by way of the proxy."""
    return {**environ, **s3_server.environ_at(s3_proxy.endpoint), "ARTFS_OBJECTS": f"s3://{s3_server.create_bucket()}/store"}


@pytest.fixture
def far(artfs: Artfs, dataset: Callable[..., Path], s3_proxy: HaProxy) -> Artfs:
    """`pets:v0` in the bucket, and nothing of it on this machine."""
    artfs("put", dataset(FILES), "pets")
    s3_proxy.clear()
    return artfs


@contextmanager
def mounted(artfs: Artfs, folder: Path, *arguments: str) -> Iterator[Path]:
    folder.mkdir()
    artfs("mount", folder, *arguments)
    try:
        yield folder
    finally:
        artfs("umount", folder)


def warm_state(mountpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((mountpoint / ".artfs/status.json").read_bytes())["warm"]
    return state


def ended(mountpoint: Path) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        state = warm_state(mountpoint)
        return state if state["state"] in {"done", "failed"} else None

    return eventually(look, what="the end of warming") or {}


def test_what_is_warm_is_read_by_another_process_without_a_request(far: Artfs, program: Program, s3_proxy: HaProxy) -> None:
    (warmed,) = far("warm", "pets", "--json").json
    assert set(warmed) == {"version", "path", "files", "bytes", "bytes_before", "references"}
    assert (warmed["version"], warmed["path"], warmed["files"]) == ("tester/default/pets:v0", "", 3)
    assert (warmed["bytes_before"], warmed["references"]) == (0, 0)
    assert warmed["bytes"] > 3 << 20
    assert s3_proxy.requests()
    s3_proxy.clear()
    assert program("cat", "pets:v0/large").stdout == FILES["large"]
    assert far("warm", "pets:v0", "--json").json == [{**warmed, "bytes_before": warmed["bytes"]}]
    assert s3_proxy.requests() == []


def test_paths_of_versions_are_warmed_and_named(far: Artfs) -> None:
    assert far("warm", "pets:v0/images", "pets:latest").lines == ["tester/default/pets:v0/images", "tester/default/pets:v0"]
    first, second = far("warm", "pets:v0/images", "pets:v0/large", "--json").json
    assert (first["path"], first["files"], first["bytes"]) == ("images", 2, first["bytes_before"])
    assert (second["path"], second["files"]) == ("large", 1)


def test_what_cannot_be_warmed_is_refused(far: Artfs, tmp_path: Path, dataset: Callable[..., Path]) -> None:
    assert far.fails("warm", "pets:v9").code == 3
    assert far.fails("warm", "pets:v0/nothing").code == 3
    assert "cache_limit is 0" in far.fails("warm", "pets", env={"ARTFS_CACHE_LIMIT": "0"}).err
    near = {"ARTFS_HOME": str(tmp_path / "near"), "ARTFS_OBJECTS": f"file://{tmp_path}/near/objects"}
    far("put", dataset(FILES), "pets", env=near)
    outcome = far.fails("warm", "pets", env=near)
    assert outcome.code == 2
    assert "is on this machine" in outcome.err


def test_a_mount_warms_the_version_that_it_shows(far: Artfs, tmp_path: Path, s3_proxy: HaProxy) -> None:
    with mounted(far, tmp_path / "mnt", "pets:latest", "--warm") as mountpoint:
        state = ended(mountpoint)
        assert (state["state"], state["reason"]) == ("done", None)
        assert state["done"] == state["total"] > 3 << 20
    s3_proxy.clear()
    with mounted(far, tmp_path / "again", "pets:v0") as mountpoint:
        assert {path: (mountpoint / path).read_bytes() for path in FILES} == FILES
        assert "warm" not in json.loads((mountpoint / ".artfs/status.json").read_bytes())
    assert s3_proxy.requests() == []


def test_a_mount_that_cannot_be_warmed_is_as_good_and_says_why(artfs: Artfs, far: Artfs, tmp_path: Path) -> None:
    far.environ["ARTFS_CACHE_LIMIT"] = "0"
    with mounted(far, tmp_path / "mnt", "pets:v0", "--warm") as mountpoint:
        state = ended(mountpoint)
        assert state["state"] == "failed"
        assert "cache_limit is 0" in state["reason"]
        assert (mountpoint / "large").read_bytes() == FILES["large"]


def test_only_a_mount_of_one_version_can_be_warmed(far: Artfs, tmp_path: Path) -> None:
    (tmp_path / "mnt").mkdir()
    for target in ([], ["pets"]):
        outcome = far.fails("mount", tmp_path / "mnt", *target, "--warm")
        assert outcome.code == 2
        assert "--warm fetches one version" in outcome.err


def test_a_cache_that_cannot_be_used_is_told_once_with_what_to_do(far: Artfs, config: Config, tmp_path: Path) -> None:
    config.cache_dir.mkdir(exist_ok=True)
    config.chunk_cache_dir.write_bytes(b"mine")
    for command in (("cache", "pin", "pets:v0"), ("cache", "clear"), ("cache", "verify"), ("warm", "pets:v0")):
        told = far.fails(*command).err
        assert told == f"artfs: nothing is kept in the cache {config.chunk_cache_dir}: it is a file: move it away\n"
    told = far.run("mount", tmp_path / "absent").err
    assert told.count("it is a file: move it away") == 1
    assert "nothing is kept" not in far.run("mount", tmp_path / "absent", env={"ARTFS_OBJECTS": f"file://{tmp_path}"}).err
