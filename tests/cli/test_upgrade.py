"""`artfs upgrade`, and what every other command says of a registry of another schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from artfs.registry.migrations import NEWEST
from artfs.registry.open import open_registry
from tests.cli.conftest import Artfs
from tests.contract.registry.older import make_older, set_schema
from tests.servers.postgres import PostgresServer

REFUSED = [
    ["ls"],
    ["put", "/etc/hostname", "pets", "--type", "dataset"],
    ["show", "pets:latest"],
    ["versions", "pets"],
    ["get", "pets:latest", "there"],
    ["alias", "pets:v0", "best"],
    ["gc"],
    ["verify"],
    ["status"],
    ["runs"],
]


@pytest.fixture
def registry_url(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.create_database()
    open_registry(url).close()
    yield url
    postgres_server.drop_database(url)


def test_an_older_registry_is_upgraded_once(artfs: Artfs, registry_url: str) -> None:
    old = open_registry(registry_url)
    make_older(old, NEWEST - 1)
    old.close()
    env = {"ARTFS_REGISTRY": registry_url}
    assert f"would be upgraded from schema {NEWEST - 1} to {NEWEST}" in artfs("upgrade", "--dry-run", env=env).out
    said = artfs("upgrade", "--json", env=env).json
    assert (said["before"], said["after"], [step["schema"] for step in said["steps"]]) == (NEWEST - 1, NEWEST, [NEWEST])
    assert "nothing was left to do" in artfs("upgrade", env=env).out
    artfs("ls", env=env)


def test_every_command_refuses_a_registry_of_another_schema_with_one_sentence(artfs: Artfs, registry_url: str) -> None:
    old = open_registry(registry_url)
    make_older(old, NEWEST - 1)
    for arguments in REFUSED:
        assert "run `artfs upgrade`" in artfs.fails(*arguments, env={"ARTFS_REGISTRY": registry_url}).err
    old._database.change_schema(lambda connection: set_schema(connection, NEWEST + 1))
    old.close()
    for arguments in [*REFUSED, ["upgrade"]]:
        assert ": upgrade artfs" in artfs.fails(*arguments, env={"ARTFS_REGISTRY": registry_url}).err
