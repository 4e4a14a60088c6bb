"""Users of PostgreSQL who may do less than artfs needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from artfs.errors import AccessDenied
from artfs.registry.open import Registry, open_registry
from tests.contract.registry.writer import BIKE, Writer
from tests.servers.postgres import PostgresServer

ROLE = "registry_guest"


@pytest.fixture
def registry_url(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.create_database()
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {ROLE} LOGIN")
    yield url
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"DROP OWNED BY {ROLE}")
        owner.execute(f"DROP ROLE {ROLE}")
    postgres_server.drop_database(url)


@pytest.fixture
def guest_url(registry_url: str) -> str:
    return registry_url.replace("artfs@", f"{ROLE}@")


def test_who_may_only_read_reads_and_is_told_that_he_may_not_write(registry: Registry, registry_url: str, guest_url: str) -> None:
    version = Writer(registry).log(b"A").version
    with psycopg.connect(registry_url, autocommit=True) as owner:
        owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}")
    with closing(open_registry(guest_url)) as guest:
        assert guest.versions.list(BIKE) == [version]
        with pytest.raises(AccessDenied, match=r"does not allow its user .* \(permission denied for table \w+\): have it granted"):
            Writer(guest).log(b"B")


def test_who_may_not_read_is_told_that(registry: Registry, guest_url: str) -> None:
    Writer(registry).log(b"A")
    with pytest.raises(AccessDenied, match=r"\(permission denied for table artfs_schema\)"):
        open_registry(guest_url)


def test_who_may_not_make_tables_is_told_that_without_the_statement(registry_url: str, guest_url: str) -> None:
    with pytest.raises(AccessDenied, match=r"\(permission denied for schema public\)"):
        open_registry(guest_url)
