"""Whether there is a registry is asked without making one."""

from __future__ import annotations

from pathlib import Path

import pytest

from artfs.errors import ConfigNotValid, RegistryUnavailable
from artfs.registry.open import has_registry, open_registry
from tests.servers.postgres import PostgresServer


def test_a_file_that_is_not_there_stays_away(tmp_path: Path) -> None:
    path = tmp_path / "folder/registry.sqlite"
    assert not has_registry(f"sqlite:///{path}")
    assert not path.parent.exists()
    open_registry(f"sqlite:///{path}").close()
    assert has_registry(f"sqlite:///{path}")


def test_an_empty_database_stays_empty(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    assert not has_registry(url)
    assert not has_registry(url), "the first look has made nothing"
    open_registry(url).close()
    assert has_registry(url)
    postgres_server.drop_database(url)


def test_one_that_cannot_be_asked_is_an_error() -> None:
    with pytest.raises(RegistryUnavailable):
        has_registry("postgresql://nobody@127.0.0.1:9/nothing")
    with pytest.raises(ConfigNotValid):
        has_registry("mysql://host/database")
