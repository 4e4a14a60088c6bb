"""A home of its own for each test: its own store, its own working directory, and no run left over from the test before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.client.session import SESSION


@pytest.fixture(autouse=True)
def workplace(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory of the test; the environment is that of `environ`."""
    for name, value in environ.items():
        if name.startswith("ARTFS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("ARTFS_RUN_ID", raising=False)
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    yield place
    SESSION.close_down()
