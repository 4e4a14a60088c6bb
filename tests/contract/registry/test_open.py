"""Opening, migrating and forking, on both databases."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection as Pipe

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, inspect, text

from artfs.errors import ConfigNotValid, InternalError, TransientError
from artfs.registry.migrations import NEWEST, migrate
from artfs.registry.open import Registry, open_registry
from artfs.registry.schema import metadata
from tests.contract.registry.racers import Kind, race
from tests.contract.registry.test_contributions import contribute
from tests.contract.registry.writer import BIKE, Writer


def test_registry_is_found_again(registry_url: str) -> None:
    first = open_registry(registry_url)
    version = Writer(first).log(b"A").version
    first.close()
    second = open_registry(registry_url)
    assert Writer(second).resolve("latest") == version
    second.close()


def test_every_table_of_the_schema_is_made(registry: Registry) -> None:
    names = registry._database.read(lambda connection: inspect(connection).get_table_names())
    assert set(metadata.tables) <= set(names)


def test_newer_registry_is_refused_with_what_to_do(registry: Registry, registry_url: str) -> None:
    registry._database.write(lambda connection: connection.execute(text(f"UPDATE artfs_schema SET version = {NEWEST + 1}")))
    with pytest.raises(ConfigNotValid, match=rf"newer artfs \(schema {NEWEST + 1}, this one knows up to {NEWEST}\): upgrade artfs"):
        open_registry(registry_url)


def make_table(name: str) -> Callable[[Connection], None]:
    return lambda connection: Table(name, MetaData(), Column("id", Integer)).create(connection)


def fail(connection: Connection) -> None:
    make_table("half_done")(connection)
    connection.execute(text("SELECT nothing FROM nowhere"))


def tables(registry: Registry) -> set[str]:
    return set(registry._database.read(lambda connection: inspect(connection).get_table_names()))


def schema_number(registry: Registry) -> int:
    return int(
        registry._database.read(lambda connection: connection.execute(text("SELECT version FROM artfs_schema")).scalar_one())
    )


def test_older_registry_goes_through_the_steps_it_has_not_seen(registry: Registry) -> None:
    steps = {NEWEST + number: make_table(f"step_{number}") for number in (1, 2, 3)}
    migrate(registry._database, "it", newest=NEWEST + 2, steps=steps)
    assert {name for name in tables(registry) if name.startswith("step_")} == {"step_1", "step_2"}
    assert schema_number(registry) == NEWEST + 2
    # Those it has seen are not done again, which would fail.
    migrate(registry._database, "it", newest=NEWEST + 3, steps=steps)
    assert schema_number(registry) == NEWEST + 3
    assert Writer(registry).log(b"A").created


def columns(registry: Registry, table: str) -> dict[str, tuple[str, bool]]:
    found = registry._database.read(lambda connection: inspect(connection).get_columns(table))
    return {column["name"]: (str(column["type"]), column["nullable"]) for column in found}


def test_a_registry_of_schema_1_becomes_one_of_the_newest(registry: Registry, registry_url: str) -> None:
    writer = Writer(registry)
    version = writer.log(b"A").version
    newest = columns(registry, "contributions")

    def make_older(connection: Connection) -> None:
        for column in ("size", "file_count"):
            connection.execute(text(f"ALTER TABLE contributions DROP COLUMN {column}"))
        connection.execute(text("DROP TABLE identity"))
        connection.execute(text("DROP TABLE collected_packs"))
        connection.execute(text("UPDATE artfs_schema SET version = 1"))

    registry._database.write(make_older)
    reopened = open_registry(registry_url)
    try:
        assert schema_number(reopened) == NEWEST
        assert columns(reopened, "contributions") == newest
        assert Writer(reopened).resolve("latest") == version
        reopened.runs.create("team", "demo", run_id="one")
        contribute(Writer(reopened), b"B")
        assert [found.size for found in reopened.contributions.list_sets()] == [1]
    finally:
        reopened.close()


def test_failing_step_leaves_the_registry_as_it_was(registry: Registry) -> None:
    steps = {NEWEST + 1: make_table("step_1"), NEWEST + 2: fail}
    with pytest.raises(InternalError):
        migrate(registry._database, "it", newest=NEWEST + 2, steps=steps)
    assert not tables(registry) & {"step_1", "half_done"}
    assert schema_number(registry) == NEWEST
    assert Writer(registry).log(b"A").created


def add_a_step(registry: Registry, number: int) -> int:
    migrate(registry._database, "it", newest=NEWEST + 1, steps={NEWEST + 1: make_table("step_1")})
    return schema_number(registry)


def test_one_of_many_migrates_and_the_others_wait(registry: Registry, registry_url: str) -> None:
    assert race(Kind.THREADS, registry_url, add_a_step, range(6)) == [NEWEST + 1] * 6


def commit_in_child(registry: Registry, pipe: Pipe) -> None:
    try:
        pipe.send(Writer(registry).log(b"child").version.label)
    except BaseException as error:
        pipe.send(repr(error))
        raise
    finally:
        pipe.close()


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_forked_process_and_its_parent_both_go_on(registry: Registry) -> None:
    # As DataLoader workers do: the child inherits an open registry whose connections the parent goes on using.
    writer = Writer(registry)
    writer.log(b"parent")
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=commit_in_child, args=(registry, theirs))
        child.start()
        theirs.close()
        assert writer.resolve("v0").label == "v0"
        assert ours.poll(60)
        assert ours.recv() == "v1"
        child.join(60)
        assert child.exitcode == 0
        assert writer.resolve("latest").label == "v1"
    assert writer.log(b"parent again").version.label == "v2"
    assert len(registry.versions.list(BIKE)) == 3


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_process_may_fork_while_other_threads_commit(registry: Registry) -> None:
    writer = Writer(registry)
    stop = threading.Event()

    def commit_until_told(thread: int) -> int:
        step = 0
        while not stop.is_set():
            writer.log(b"%d %d" % (thread, step))
            step += 1
        return step

    context = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(3) as threads:
        commits = [threads.submit(commit_until_told, thread) for thread in range(3)]
        answers = []
        for _ in range(4):
            ours, theirs = context.Pipe(duplex=False)
            child = context.Process(target=commit_in_child, args=(registry, theirs))
            child.start()
            theirs.close()
            answers.append(ours.recv() if ours.poll(60) else "no answer")
            child.join(60)
        stop.set()
        total = sum(commit.result(60) for commit in commits)
    assert len(set(answers)) == 1, "all children have committed the same content"
    numbers = [version.number for version in registry.versions.list(BIKE)]
    assert answers[0] in {f"v{number}" for number in numbers}
    assert numbers == list(reversed(range(total + 1)))


def test_error_of_a_transaction_leaves_its_connection_usable(registry: Registry) -> None:
    def insert_nonsense(connection: Connection) -> None:
        connection.execute(text("INSERT INTO projects (entity_id, name, created_at) VALUES (999, 'x', '2020-01-01')"))

    for _ in range(20):
        with pytest.raises(InternalError, match="refused what artfs asked of it"):
            registry._database.write(insert_nonsense)
    assert registry.collections.projects() == []
    assert Writer(registry).log(b"A").created


def test_unreachable_registry_is_a_transient_error(registry_url: str) -> None:
    if registry_url.startswith("postgresql"):
        with pytest.raises(TransientError, match="check that the server runs"):
            open_registry(registry_url + "_that_is_not_there")
    else:
        with pytest.raises(TransientError):
            open_registry("sqlite:////dev/null/registry.sqlite")
