"""What a bucket is asked on the ways that everybody takes: never for a list of what is in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Artfs
from tests.mount.far_machines import Machine
from tests.servers.haproxy import HaProxy
from tests.servers.seaweedfs import SeaweedFs


@pytest.fixture
def machine(s3_server: SeaweedFs, s3_proxy: HaProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    for name, value in s3_server.environ_at(s3_proxy.endpoint).items():
        monkeypatch.setenv(name, value)
    return Machine(tmp_path, f"s3://{s3_server.create_bucket()}/store", tmp_path / "registry.sqlite")


def test_only_verify_and_gc_list_and_gc_only_what_a_dead_commit_left(machine: Machine, s3_proxy: HaProxy, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.bin").write_bytes(os.urandom(200_000))
    artfs = Artfs(machine.environ)
    artfs("put", source, "data")
    (source / "b.txt").write_text("b\n")
    artfs("put", source, "data", "-a", "best")
    artfs("ls", "data:best")
    artfs("cat", "data:v0/a.bin")
    artfs("alias", "data:v0", "first")
    artfs("get", "data:v1", tmp_path / "out")
    with machine.mounted() as root:
        assert (root / "data/first/a.bin").stat().st_size == 200_000
        assert (root / "data/latest/b.txt").read_text() == "b\n"
        (root / "data/staging/next").mkdir()
        (root / "data/staging/next/c.txt").write_text("c\n")
        (root / "data/staging/next").rename(root / "data/new")
    artfs("rm", "data:v0", "--aliases")
    asked = s3_proxy.requests("GET")
    assert asked
    assert _lists(s3_proxy) == []
    s3_proxy.clear()
    artfs("gc", "--grace", "0s")
    assert [target for target in _lists(s3_proxy) if "packs%2F" not in target] == []
    assert len(_lists(s3_proxy)) <= 5, "one for each commit that is over, and nothing else"
    s3_proxy.clear()
    artfs("verify")
    assert len(_lists(s3_proxy)) == 1


def _lists(proxy: HaProxy) -> list[str]:
    return [request.target for request in proxy.requests("GET") if "list-type=" in request.target or "versions" in request.target]
