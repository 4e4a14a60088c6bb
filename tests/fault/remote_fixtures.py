"""A repository on servers that tests kill: bytes in S3 (or Google Cloud Storage), metadata in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.servers.postgres import PostgresServer
from tests.unit.cloud.conftest import SetEnviron
from tests.unit.cloud.conftest import set_environ as set_environ  # noqa: PLC0414  a fixture


@pytest.fixture
def object_server(request: pytest.FixtureRequest) -> Any:
    """A server that may be killed: of S3, or of what the parameter says."""
    return request.getfixturevalue(f"mortal_{getattr(request, 'param', 's3')}")


@pytest.fixture
def remote_environ(
    object_server: Any, mortal_postgres: PostgresServer, environ: Mapping[str, str], set_environ: SetEnviron
) -> dict[str, str]:
    """The environment of a client of a new repository; this process's as well."""
    set_environ(object_server.environ)
    scheme = "gs" if "STORAGE_EMULATOR_HOST" in object_server.environ else "s3"
    stores = {
        "ARTFS_OBJECTS": f"{scheme}://{object_server.create_bucket()}/shared",
        "ARTFS_REGISTRY": mortal_postgres.create_database(),
    }
    return {**environ, **object_server.environ, **stores}
