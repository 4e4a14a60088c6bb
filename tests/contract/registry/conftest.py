"""Every test of this folder runs on both databases: a SQLite file, and a database of its own in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.registry.open import Registry, open_registry
from tests.contract.registry.writer import Writer
from tests.servers.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgres"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a registry may be made that nobody else uses."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/registry/registry.sqlite"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def registry(registry_url: str) -> Iterator[Registry]:
    opened = open_registry(registry_url)
    yield opened
    opened.close()


@pytest.fixture
def writer(registry: Registry) -> Writer:
    return Writer(registry)
