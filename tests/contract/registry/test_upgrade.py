"""Upgrading older registries, on both databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, inspect, text

from artfs.errors import ConfigNotValid, InternalError
from artfs.registry.migrations import NEWEST, Upgrade, migrate
from artfs.registry.open import Registry, open_registry, upgrade_registry
from tests.contract.registry.older import make_older, schema_number, set_schema, tables
from tests.contract.registry.racers import Kind, race
from tests.contract.registry.test_contributions import contribute
from tests.contract.registry.writer import BIKE, Writer


def make_table(name: str) -> Callable[[Connection], None]:
    return lambda connection: Table(name, MetaData(), Column("id", Integer)).create(connection)


def fail(connection: Connection) -> None:
    make_table("half_done")(connection)
    connection.execute(text("SELECT nothing FROM nowhere"))


def table_names(registry: Registry) -> set[str]:
    return set(registry._database.read(lambda connection: inspect(connection).get_table_names()))


def test_older_registry_goes_through_the_steps_it_has_not_seen(registry: Registry) -> None:
    steps = {NEWEST + number: make_table(f"step_{number}") for number in (1, 2, 3)}
    migrate(registry._database, "it", newest=NEWEST + 2, steps=steps)
    assert {name for name in table_names(registry) if name.startswith("step_")} == {"step_1", "step_2"}
    assert schema_number(registry) == NEWEST + 2
    # Those it has seen are not done again, which would fail.
    migrate(registry._database, "it", newest=NEWEST + 3, steps=steps)
    assert schema_number(registry) == NEWEST + 3


def test_who_has_opened_a_registry_reads_on_and_writes_no_more_when_it_is_upgraded(registry: Registry) -> None:
    writer = Writer(registry)
    version = writer.log(b"A").version
    draft = writer.draft(b"B")
    migrate(registry._database, "it", newest=NEWEST + 1, steps={NEWEST + 1: make_table("step")})
    refused = pytest.raises(ConfigNotValid, match=rf"was written by a newer artfs \(schema {NEWEST + 1}, .*: upgrade artfs")
    for write in (lambda: registry.versions.commit(draft), writer.open_lease, lambda: registry.aliases.remove(BIKE, "latest")):
        with refused:
            write()
    assert registry.versions.list(BIKE) == [version]
    registry._database.change_schema(lambda connection: set_schema(connection, NEWEST))
    assert registry.versions.commit(draft).version.label == "v1"


def test_what_a_newer_schema_has_taken_away_is_told_as_that(registry: Registry) -> None:
    def work(connection: Connection) -> None:
        set_schema(connection, NEWEST + 1)
        connection.execute(text("ALTER TABLE aliases RENAME TO names"))

    Writer(registry).log(b"A")
    registry._database.change_schema(work)
    with pytest.raises(ConfigNotValid, match="upgrade artfs"):
        registry.aliases.list(BIKE)


@pytest.mark.parametrize("older", range(1, NEWEST))
def test_an_older_registry_becomes_one_of_the_newest(registry: Registry, registry_url: str, older: int) -> None:
    version = Writer(registry).log(b"A").version
    newest = tables(registry)
    make_older(registry, older)
    assert tables(registry) != newest
    told: list[int] = []
    assert upgrade_registry(registry_url, on_step=lambda number, _: told.append(number))[1] == Upgrade(older, NEWEST)
    assert told == list(range(older + 1, NEWEST + 1))
    reopened = open_registry(registry_url)
    try:
        assert tables(reopened) == newest
        assert Writer(reopened).resolve("latest") == version
        reopened.runs.create("team", "demo", run_id="one")
        contribute(Writer(reopened), b"B")
        assert [found.size for found in reopened.contributions.list_sets()] == [1]
    finally:
        reopened.close()


def test_a_dry_run_says_what_would_be_done_and_does_nothing(registry: Registry, registry_url: str) -> None:
    make_older(registry, 1)
    before = tables(registry)
    assert upgrade_registry(registry_url, dry_run=True)[1] == Upgrade(1, NEWEST)
    assert tables(registry) == before
    assert schema_number(registry) == 1


def test_a_new_registry_needs_no_upgrade_and_an_empty_database_gets_one(registry_url: str) -> None:
    assert upgrade_registry(registry_url)[1] == Upgrade(None, NEWEST)
    assert upgrade_registry(registry_url)[1] == Upgrade(NEWEST, NEWEST)
    open_registry(registry_url).close()


def test_a_newer_registry_is_not_touched_by_an_upgrade(registry: Registry, registry_url: str) -> None:
    registry._database.change_schema(lambda connection: set_schema(connection, NEWEST + 1))
    with pytest.raises(ConfigNotValid, match="upgrade artfs"):
        upgrade_registry(registry_url)


def test_failing_step_leaves_the_registry_as_it_was(registry: Registry) -> None:
    steps = {NEWEST + 1: make_table("step_1"), NEWEST + 2: fail}
    with pytest.raises(InternalError):
        migrate(registry._database, "it", newest=NEWEST + 2, steps=steps)
    assert not table_names(registry) & {"step_1", "half_done"}
    assert schema_number(registry) == NEWEST
    assert Writer(registry).log(b"A").created


def add_a_step(registry: Registry, _number: int) -> Upgrade:
    return migrate(registry._database, "it", newest=NEWEST + 1, steps={NEWEST + 1: make_table("step_1")})


def test_one_of_many_upgrades_and_the_others_wait_and_find_nothing_to_do(registry: Registry, registry_url: str) -> None:
    done = race(Kind.THREADS, registry_url, add_a_step, range(6))
    assert sorted(done, key=lambda upgrade: upgrade.before or 0) == [
        Upgrade(NEWEST, NEWEST + 1),
        *[Upgrade(NEWEST + 1, NEWEST + 1)] * 5,
    ]
    assert schema_number(registry) == NEWEST + 1


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "theirs.sqlite") as theirs:
        theirs.execute("CREATE TABLE runs (id INTEGER)")
    theirs.close()
    with pytest.raises(ConfigNotValid, match="a table 'runs' of another program"):
        upgrade_registry(f"sqlite:///{tmp_path}/theirs.sqlite")
