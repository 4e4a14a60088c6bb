"""A version that was read in full, or pinned, needs its object store no more: new processes read it with the store dead."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.seaweedfs import SeaweedFs

MIB = 1 << 20
#: Files of many chunks and of one, some that are equal, and one of none.
FILES: dict[str, bytes | None] = {
    "large.bin": random.Random(1).randbytes(6 * MIB),
    "text.csv": b"".join(b"%d,%d\n" % (number, number % 7) for number in range(100_000)),
    **{f"images/{number:03}.bin": random.Random(number).randbytes(5_000 + 100 * number) for number in range(60)},
    "images/same.bin": random.Random(7).randbytes(5_700),
    "empty.bin": b"",
}
Program = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def far_environ(mortal_s3: SeaweedFs, environ: dict[str, str]) -> dict[str, str]:
    return {**environ, **mortal_s3.environ, "ARTFS_OBJECTS": f"s3://{mortal_s3.create_bucket()}/store"}


@pytest.fixture
def artfs(far_environ: dict[str, str]) -> Program:
    """The program, each time a new process; it has to succeed."""

    def run(*arguments: str | Path, code: int = 0, **env: str) -> subprocess.CompletedProcess[bytes]:
        command = [Path(sys.executable).with_name("artfs"), *arguments]
        done = subprocess.run(command, env={**far_environ, **env}, capture_output=True, timeout=120, check=False)
        assert done.returncode == code, done.stderr.decode()
        return done

    return run


@pytest.fixture
def pets(artfs: Program, dataset: Callable[..., Path]) -> None:
    artfs("put", dataset(FILES), "pets")


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_was_got_is_got_again_without_the_store(artfs: Program, pets: None, mortal_s3: SeaweedFs, tmp_path: Path) -> None:
    artfs("get", "pets:v0", tmp_path / "first")
    mortal_s3.kill()
    artfs("get", "pets:v0", tmp_path / "second")
    assert content_of(tmp_path / "second") == FILES
    assert len(artfs("ls", "pets:v0/images").stdout.splitlines()) == 61
    assert artfs("cat", "pets:latest/text.csv").stdout == FILES["text.csv"]


def test_what_was_read_in_a_mount_is_read_again_without_the_store(
    artfs: Program, pets: None, mortal_s3: SeaweedFs, tmp_path: Path
) -> None:
    mountpoint = tmp_path / "mnt"
    mountpoint.mkdir()
    for is_alive in (True, False):
        if not is_alive:
            mortal_s3.kill()
        artfs("mount", mountpoint, "pets:v0")
        try:
            assert content_of(mountpoint) == FILES
        finally:
            artfs("umount", mountpoint)


def test_a_pinned_version_is_read_without_the_store_whatever_else_was_read(
    artfs: Program, pets: None, mortal_s3: SeaweedFs, dataset: Callable[..., Path], tmp_path: Path
) -> None:
    limit = {"ARTFS_CACHE_LIMIT": "16MiB"}
    artfs("put", dataset({"other.bin": random.Random(9).randbytes(24 * MIB)}, name="other"), "other")
    artfs("cache", "pin", "pets:latest", **limit)
    artfs("get", "other", tmp_path / "other", **limit)
    shown = json.loads(artfs("cache", "--json", **limit).stdout)
    assert [(pin["version"], pin["missing"]) for pin in shown["pins"]] == [("tester/default/pets:v0", 0)]
    assert shown["pinned"] < shown["used"] <= shown["limit"]
    mortal_s3.kill()
    artfs("get", "pets:v0", tmp_path / "pets", **limit)
    assert content_of(tmp_path / "pets") == FILES


def test_damage_in_the_cache_is_fetched_again(artfs: Program, pets: None, far_environ: dict[str, str], tmp_path: Path) -> None:
    artfs("get", "pets:v0", tmp_path / "first")
    choice = random.Random(1)
    folder = Path(json.loads(artfs("cache", "--json").stdout)["folder"])
    for path in folder.glob("*.chunks1"):
        data = bytearray(path.read_bytes())
        for _ in range(20):
            data[choice.randrange(len(data))] ^= 1
        path.write_bytes(data)
    artfs("get", "pets:v0", tmp_path / "second")
    assert content_of(tmp_path / "second") == FILES
    assert json.loads(artfs("cache", "verify", "--json").stdout)["damaged"] == 0  # dropped when it was met, and kept anew
