"""Fixtures that everybody uses, and the rule that a test fails when artfs logs a warning or an error that it did not announce."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hypothesis  # noqa: F401  first: its plugin imports it at the end otherwise, and then warns of what trio has registered
import pytest

from artfs.config import Config, load_config
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.rights import with_other_rights

#: The servers of `tests/servers`, for tests of every folder.
pytest_plugins = ["tests.servers.fixtures"]

MakeDataset = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [with_other_rights(item) for item in items]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "mounts: mounts a small disk (see tests/rights.py)")
    config.addinivalue_line("markers", "without_rights: is refused by permission bits (see tests/rights.py)")
    config.addinivalue_line("markers", "expected_logs(*patterns): artfs may log warnings and errors that match one of the patterns")


@pytest.fixture(autouse=True)
def no_unexpected_logs(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A warning or an error in artfs' log is a defect, or else something that the test says it expects."""
    yield
    marker = request.node.get_closest_marker("expected_logs")
    expected = marker.args if marker else ()
    records = [record for phase in ("setup", "call") for record in caplog.get_records(phase)]
    unexpected = [
        f"{record.levelname} {record.name}: {record.getMessage()}"
        for record in records
        if record.levelno >= logging.WARNING
        and record.name.partition(".")[0] == "artfs"
        and not any(re.search(pattern, record.getMessage()) for pattern in expected)
    ]
    assert not unexpected, "unexpected in the log: " + "\n".join(unexpected)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which artfs keeps everything below the test's own folder; also for subprocesses."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARTFS_")}
    return {**inherited, "ARTFS_HOME": str(tmp_path / "artfs-home"), "ARTFS_ENTITY": "tester", "ARTFS_PROJECT": "default"}


@pytest.fixture
def config(environ: dict[str, str]) -> Config:
    return load_config(environ=environ)


@pytest.fixture
def repository(config: Config) -> Iterator[Repository]:
    """An empty repository in SQLite and a folder."""
    with open_repository(config) as opened:
        yield opened


@pytest.fixture
def dataset(tmp_path: Path) -> MakeDataset:
    """Makes small folders: `dataset({"a/b.txt": b"bytes", "empty": None}, name="data")`; None makes an empty directory."""

    def make(files: Mapping[str, bytes | None] | None = None, *, name: str = "dataset") -> Path:
        root = tmp_path / name
        root.mkdir(parents=True, exist_ok=True)
        for path, data in (DEFAULT_FILES if files is None else files).items():
            target = root / path
            if data is None:
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        return root

    return make


DEFAULT_FILES: Mapping[str, bytes | None] = {
    "readme.txt": b"a small data set\n",
    "labels.csv": b"name,label\n" + b"".join(b"%d,%d\n" % (i, i % 7) for i in range(200)),
    "images/cat.bin": bytes(range(256)) * 40,
    "images/dog.bin": bytes(reversed(range(256))) * 300,
    "images/more/bird.bin": b"",
    "nothing-yet": None,
}
