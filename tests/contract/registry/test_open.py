"""Opening and forking, on both databases."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection as Pipe

import pytest
from sqlalchemy import Connection, inspect, text

from artfs.errors import ConfigNotValid, InternalError, TransientError
from artfs.registry.migrations import NEWEST
from artfs.registry.open import Registry, open_registry
from artfs.registry.schema import metadata
from tests.contract.registry.older import make_older, schema_number
from tests.contract.registry.writer import BIKE, Writer


def test_registry_is_found_again(registry_url: str) -> None:
    first = open_registry(registry_url)
    version = Writer(first).log(b"A").version
    first.close()
    second = open_registry(registry_url)
    assert Writer(second).resolve("latest") == version
    second.close()


@pytest.mark.parametrize(
    "ask", [lambda registry: registry.collections.find(BIKE), lambda registry: registry.collections.projects()]
)
def test_what_opening_did_not_do_is_done_before_whatever_is_asked_first(
    registry_url: str, ask: Callable[[Registry], object]
) -> None:
    registry = open_registry(registry_url, at_once=False)
    assert not ask(registry)
    registry.close()


def test_every_table_of_the_schema_is_made(registry: Registry) -> None:
    names = registry._database.read(lambda connection: inspect(connection).get_table_names())
    assert set(metadata.tables) <= set(names)


def test_newer_registry_is_refused_with_what_to_do(registry: Registry, registry_url: str) -> None:
    registry._database.change_schema(lambda connection: connection.execute(text(f"UPDATE artfs_schema SET version = {NEWEST + 1}")))
    with pytest.raises(ConfigNotValid, match=rf"newer artfs \(schema {NEWEST + 1}, this one knows up to {NEWEST}\): upgrade artfs"):
        open_registry(registry_url)


@pytest.mark.parametrize("older", range(1, NEWEST))
def test_older_registry_is_refused_with_what_to_do(registry: Registry, registry_url: str, older: int) -> None:
    make_older(registry, older)
    with pytest.raises(ConfigNotValid, match=rf"older artfs \(schema {older}, this one needs {NEWEST}\): run `artfs upgrade`"):
        open_registry(registry_url)
    assert schema_number(registry) == older


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
