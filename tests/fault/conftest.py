"""Registries in SQLite, or in PostgreSQL for tests of which `environ` is so parametrized; and hosts that share a repository."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fault.hosts import open_host as open_host  # noqa: PLC0414  a fixture
from tests.servers.postgres import PostgresServer
from tests.unit.cloud.conftest import set_environ as set_environ  # noqa: PLC0414  a fixture


@pytest.fixture
def environ(request: pytest.FixtureRequest, environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """The usual environment, with a database of its own where the parameter is `postgres`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield environ
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield {**environ, "ARTFS_REGISTRY": url}
    server.drop_database(url)
