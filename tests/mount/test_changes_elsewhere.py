"""What others commit and move appears in every mount at once, and a mount whose names do not change asks nobody.

With ARTFS_TEST_LONG=1 more versions are committed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from artfs.repository.open import open_repository
from tests.contract.registry.relay import relay_to
from tests.mount.mounting import Place, eventually
from tests.servers.postgres import PostgresServer

#: The aim is a second. On a busy machine everything takes longer.
WITHIN_S = 5.0
#: Of commits: `v3` is deleted at the end, which the newest cannot be.
ROUNDS = 5 if os.environ.get("ARTFS_TEST_LONG") else 4


@dataclass
class Host(Place):
    """A home of its own with a registry and an object store that others use too."""

    registry: str = field(default="")
    objects: str = field(default="")

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "ARTFS_REGISTRY": self.registry, "ARTFS_OBJECTS": self.objects}


@pytest.fixture(params=["sqlite", "postgres"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shared/registry.sqlite"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


def host(tmp_path: Path, name: str, registry: str) -> Host:
    (tmp_path / name).mkdir()
    return Host(tmp_path / name, registry, f"file://{tmp_path}/shared/objects")


def content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def expect(path: Path, wanted: bytes) -> None:
    eventually(lambda: content(path) == wanted, within_s=WITHIN_S, what=f"{wanted!r} in {path}")


def test_versions_and_aliases_appear_in_all_mounts(tmp_path: Path, registry: str) -> None:
    writer, one, two = (host(tmp_path, name, registry) for name in ("writer", "one", "two"))
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"0")
    writer.commit(source, aliases=["best"])
    with ExitStack() as mounts:
        roots = [mounts.enter_context(place.mounted()) / "data" for place in (one, two)]
        for number in range(1, ROUNDS + 1):
            for root in roots:  # so that the kernel and the mount know the names, and that there is none
                assert not (root / f"v{number}").exists()
                assert content(root / "latest" / "file") == b"%d" % (number - 1)
            (source / "file").write_bytes(b"%d" % number)
            writer.commit(source, aliases=["best"])
            for root in roots:
                for name in ("latest", "best", f"v{number}"):
                    expect(root / name / "file", b"%d" % number)
                assert f"v{number}" in os.listdir(root)
        # Through one mount, seen by the other.
        os.symlink("v2", roots[0] / "chosen")
        expect(roots[1] / "chosen" / "file", b"2")
        os.symlink("v3", roots[0] / "tmp")
        os.rename(roots[0] / "tmp", roots[0] / "chosen")
        expect(roots[1] / "chosen" / "file", b"3")
        (roots[0] / "chosen").rmdir()
        eventually(lambda: not (roots[1] / "chosen").exists(), within_s=WITHIN_S)
        with open_repository(writer.config) as repository:
            repository.registry.versions.delete(writer.resolve("data", "v3").id)
        for root in roots:
            eventually(lambda root=root: not (root / "v3").exists() and "v3" not in os.listdir(root), within_s=WITHIN_S)  # type: ignore[misc]


def lookups(mountpoint: Path) -> int:
    return int(json.loads((mountpoint / ".artfs" / "status.json").read_text())["requests"].get("lookup", 0))


def test_a_mount_does_not_ask_while_nothing_changes(tmp_path: Path, postgres_server: PostgresServer) -> None:
    database = postgres_server.create_database()
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"0")
    with relay_to(postgres_server.port) as relay:
        place = host(tmp_path, "one", relay.url(database))
        place.commit(source, aliases=["best"])
        with place.mounted() as mountpoint:
            data = mountpoint / "data"

            def look() -> bool:
                assert sorted(os.listdir(mountpoint)) == [".artfs", "data"]
                assert {"v0", "latest", "best"} <= set(os.listdir(data))
                assert (data / "latest").stat().st_mode == (data / "v0").stat().st_mode
                assert not (data / "v1").exists()
                return content(data / "best" / "file") == b"0"

            def nothing_was_asked() -> bool:
                """Once it listens."""
                relay.sent.clear()
                return look() and not relay.sent

            eventually(nothing_was_asked)
            before = lookups(mountpoint)
            # The kernel asks the mount again, after a second; the mount asks nobody.
            eventually(lambda: look() and lookups(mountpoint) > before + 4)
            assert relay.sent == []
    postgres_server.drop_database(database)


def test_a_directory_held_open_stays_when_another_name_moves(tmp_path: Path, registry: str) -> None:
    writer, one = host(tmp_path, "writer", registry), host(tmp_path, "one", registry)
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"0")
    writer.commit(source, aliases=["best"])
    with one.mounted() as mountpoint:
        held = os.open(mountpoint / "data" / "latest", os.O_RDONLY | os.O_DIRECTORY)
        try:
            (source / "file").write_bytes(b"1")
            writer.commit(source)
            expect(mountpoint / "data" / "latest" / "file", b"1")
            file = os.open("file", os.O_RDONLY, dir_fd=held)
            assert os.read(file, 10) == b"0"
            os.close(file)
            assert content(mountpoint / "data" / "best" / "file") == b"0"
        finally:
            os.close(held)
