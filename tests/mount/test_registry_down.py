"""A mount whose registry is down: what it knows goes on, what it does not know says why."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.mount.conftest import FILES
from tests.mount.mounting import Place, eventually
from tests.servers.postgres import PostgresServer


@dataclass
class SharedPlace(Place):
    """A home whose registry is in PostgreSQL."""

    registry: str = field(default="")

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "ARTFS_REGISTRY": self.registry}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One of this test's own, that can be killed."""
    server = PostgresServer.start(crash_safe=True)
    yield server
    server.stop()


def registry_state(mountpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((mountpoint / ".artfs" / "status.json").read_text())["registry"]
    return state


def test_known_versions_are_served_while_postgresql_is_down(tmp_path: Path, source: Path, server: PostgresServer) -> None:
    place = SharedPlace(tmp_path, server.create_database())
    place.commit(source, aliases=["best"])
    with place.mounted(expect_errors=True) as mountpoint:
        artifacts, known = sorted(os.listdir(mountpoint)), sorted(os.listdir(mountpoint / "data"))
        assert {"v0", "best", "latest"} <= set(known)
        assert registry_state(mountpoint) == {"reachable": True}
        server.kill()
        assert sorted(os.listdir(mountpoint)) == artifacts == [".artfs", "data"]
        assert sorted(os.listdir(mountpoint / "data")) == known
        for name in ("v0", "best", "latest"):  # none of them was opened before
            assert (mountpoint / "data" / name / "labels.csv").read_bytes() == FILES["labels.csv"]
        with pytest.raises(OSError, match="Input/output") as refused:
            os.stat(mountpoint / "data" / "v7")
        assert refused.value.errno == errno.EIO
        assert "did not answer" in (mountpoint / ".artfs" / "errors").read_text()
        state = registry_state(mountpoint)
        assert state["reachable"] is False
        assert "did not answer" in state["reason"]
        server.resume()
        (source / "readme.txt").write_bytes(b"another edition\n")
        place.commit(source)
        eventually(partial(os.path.exists, mountpoint / "data" / "v1"), what="the version made after the outage")
        assert (mountpoint / "data" / "latest" / "readme.txt").read_bytes() == b"another edition\n"
        assert registry_state(mountpoint) == {"reachable": True}
