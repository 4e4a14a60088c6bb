"""Without any network: no registry and no object store. What a process has read in full, later ones open, list and read by name."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fault.remote_fixtures import object_server as object_server  # noqa: PLC0414  fixtures
from tests.fault.remote_fixtures import remote_environ as remote_environ  # noqa: PLC0414
from tests.fault.remote_fixtures import set_environ as set_environ  # noqa: PLC0414
from tests.mount.mounting import eventually
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedFs

#: Files of many chunks and of one, and one of none.
FILES: dict[str, bytes | None] = {
    "large.bin": random.Random(1).randbytes(3 << 20),
    **{f"images/{number:02}.bin": random.Random(number).randbytes(5_000 + 100 * number) for number in range(20)},
    "empty.bin": b"",
}
Program = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def artfs(remote_environ: Mapping[str, str]) -> Program:
    """The program, each time a new process; it has to succeed."""

    def run(
        *arguments: str | Path, code: int = 0, home: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        said = {**remote_environ, **({} if home is None else {"ARTFS_HOME": str(home)}), **(environ or {})}
        command = [Path(sys.executable).with_name("artfs"), *arguments]
        done = subprocess.run(command, env=said, capture_output=True, timeout=120, check=False)
        assert done.returncode == code, done.stderr.decode()
        return done

    return run


@pytest.fixture
def pets(artfs: Program, dataset: Callable[..., Path], tmp_path: Path) -> None:
    """Two versions that another machine has written."""
    artfs("put", dataset({"old": b"old"}, name="old"), "pets", home=tmp_path / "elsewhere")
    artfs("put", dataset(FILES), "pets", "--alias", "best", home=tmp_path / "elsewhere")


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def registry_state(mountpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((mountpoint / ".artfs/status.json").read_bytes())["registry"]
    return state


@dataclass
class Network:
    """Both servers."""

    objects: SeaweedFs
    registry: PostgresServer

    def cut(self) -> None:
        self.objects.kill()
        self.registry.kill()

    def mend(self) -> None:
        self.objects.resume()
        self.registry.resume()


@pytest.fixture
def network(object_server: SeaweedFs, mortal_postgres: PostgresServer) -> Network:
    return Network(object_server, mortal_postgres)


def test_the_program_reads_what_an_earlier_one_has_read(artfs: Program, pets: None, network: Network, tmp_path: Path) -> None:
    artfs("get", "pets:best", tmp_path / "first")
    network.cut()
    assert b"did not answer" in artfs("get", "pets:v0", tmp_path / "second", code=6).stderr, "nobody asked for that name before"
    told = artfs("get", "pets:best", tmp_path / "second").stderr.decode()
    assert "the registry is not reachable: tester/default/pets:best is v1, as of 20" in told
    assert content_of(tmp_path / "second") == FILES
    assert artfs("cat", "pets:v1/large.bin").stdout == FILES["large.bin"]
    assert len(artfs("ls", "pets:v1/images").stdout.splitlines()) == 20
    assert b"pets" in artfs("ls").stdout
    assert b"v1" in artfs("versions", "pets").stdout
    assert artfs("diff", "pets:v1", "pets:latest").stdout == b""
    shown = json.loads(artfs("show", "pets:best", "--json").stdout)
    assert (shown["name"], shown["producers"], shown["consumers"]) == ("pets:v1", None, None)
    completed = artfs(environ={"_ARTFS_COMPLETE": "complete_bash", "COMP_WORDS": "artfs get pets:", "COMP_CWORD": "2"})
    assert (completed.stdout.split(), completed.stderr) == ([b"pets:best", b"pets:latest", b"pets:v1"], b"")


def test_python_reads_what_an_earlier_process_has_read(
    pets: None, network: Network, remote_environ: dict[str, str], tmp_path: Path
) -> None:
    def python(*lines: str) -> str:
        program = "\n".join(["import artfs", "api = artfs.Api()", *lines])
        done = subprocess.run(
            [sys.executable, "-c", program], env=remote_environ, cwd=tmp_path, stdout=subprocess.PIPE, check=True, timeout=120
        )
        return done.stdout.decode()

    python(
        "with artfs.init() as run:",
        "    run.use_artifact('pets:best').download('first')",
        "for each in api.artifact_versions('dataset', 'pets'): each.download(each.version)",
    )
    network.cut()
    told = python(
        "print(api.artifact_exists('pets:best'), api.artifact_exists('pets', 'model'))",
        "print([each.version for each in api.artifact_versions('dataset', 'pets')])",
        "api.artifact('pets:best').download('second')",
        "api.artifact_versions('dataset', 'pets')[1].download('old')",
        "try: api.artifact_versions('model', 'pets')",
        "except ValueError as error: print(error)",
        "try: api.artifact_versions('model', 'cars')",
        "except artfs.errors.RegistryUnavailable as error: print(error)",
    ).splitlines()
    assert told[:2] == ["True False", "['v1', 'v0']"]
    assert told[2] == "pets holds artifacts of type 'dataset', not 'model'"
    assert "did not answer" in told[3]
    assert content_of(tmp_path / "second") == FILES
    assert content_of(tmp_path / "old") == {"old": b"old"}


def test_a_pinned_version_that_another_host_has_repacked_is_read_once_the_pin_has_followed(
    artfs: Program, network: Network, dataset: Callable[..., Path], tmp_path: Path
) -> None:
    elsewhere, kept = tmp_path / "elsewhere", {"kept.bin": random.Random(2).randbytes(300_000)}
    artfs("put", dataset({**kept, "dead.bin": random.Random(3).randbytes(3 << 20)}, name="waste"), "dogs", home=elsewhere)
    artfs("put", dataset(kept, name="kept"), "dogs", home=elsewhere)
    artfs("cache", "pin", "dogs:v1")
    artfs("rm", "dogs:v0", home=elsewhere)
    artfs("gc", "--repack", "--grace", "0s", home=elsewhere)
    shown = json.loads(artfs("cache", "--json").stdout)
    assert [(pin["version"], pin["moved"], pin["missing"]) for pin in shown["pins"]] == [("tester/default/dogs:v1", False, 0)]
    network.cut()
    artfs("get", "dogs:v1", tmp_path / "got")
    assert content_of(tmp_path / "got") == kept
    shown = json.loads(artfs("cache", "--json").stdout)
    assert [pin["missing"] for pin in shown["pins"]] == [0]


def test_a_mount_that_is_made_without_network_shows_reads_and_stages_what_was_read(
    artfs: Program,
    pets: None,
    network: Network,
    dataset: Callable[..., Path],
    tmp_path: Path,
) -> None:
    mountpoint = tmp_path / "mnt"
    mountpoint.mkdir()
    artfs("mount", mountpoint)
    try:
        for name in ("latest", "v1"):
            assert content_of(mountpoint / "pets" / name) == FILES
    finally:
        artfs("umount", mountpoint)
    network.cut()
    artfs("mount", mountpoint)
    try:
        assert sorted(path.name for path in mountpoint.iterdir()) == [".artfs", "pets"]
        assert {path.name for path in (mountpoint / "pets").iterdir()} >= {"v1", "best", "latest"}
        for name in ("latest", "best", "v1"):
            assert content_of(mountpoint / "pets" / name) == FILES
        state = registry_state(mountpoint)
        assert state["reachable"] is False
        assert "did not answer" in state["reason"]
        told = json.loads((mountpoint / "pets/.artfs/v1.json").read_bytes())
        assert (told["aliases"], told["producers"], told["registry"]["reachable"]) == (["best", "latest"], None, False)
        # What is mounted is known here.
        status = artfs("status", "--json", code=6)
        assert b"artfs: what is stored is not known: the registry" in status.stderr
        form = json.loads(status.stdout)
        assert ([mount["mountpoint"] for mount in form["mounts"]], form["versions"]) == ([str(mountpoint)], None)
        assert "did not answer" in form["registry_problem"]
        lines = artfs("status", code=6).stdout.decode().splitlines()
        assert [line.split("\t")[0] for line in lines] == [
            *("entity", "project", "registry", "objects", "run", "mounts", "staging", "logs")
        ]
        # Staging over what is known needs no registry before it is committed.
        edit = Path(os.fsdecode(artfs("stage", "pets", "--from", "best", "--name", "edit").stdout.strip()))
        (edit / "note").write_bytes(b"mine")
        assert content_of(edit) == {**FILES, "note": b"mine"}
        (mountpoint / "pets/staging/empty").mkdir()
        assert b"did not answer" in artfs("stage", "pets", "--from", "v0", code=6).stderr, "nobody here has looked at that"
        # What is back is used without anybody's help.
        network.mend()
        artfs("put", dataset({"new": b"new"}, name="new"), "pets", home=tmp_path / "elsewhere")
        eventually(partial(os.path.exists, mountpoint / "pets/v2"), what="the version that was made after the outage")
        eventually(partial(os.path.exists, mountpoint / "pets/latest/new"), what="the alias that moved")
        assert (mountpoint / "pets/v0/old").read_bytes() == b"old"
        assert registry_state(mountpoint) == {"reachable": True}
        edit.rename(mountpoint / "pets/edited")
        assert content_of(mountpoint / "pets/v3") == {**FILES, "note": b"mine"}
    finally:
        artfs("umount", mountpoint)
