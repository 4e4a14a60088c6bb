"""Who listens hears of changes of others, on both databases."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from artfs.model.names import ArtifactName
from artfs.registry.changes import Listening
from artfs.registry.open import Registry, open_registry
from tests.contract.registry.relay import Fault, relay_to
from tests.contract.registry.test_contributions import contribute
from tests.contract.registry.test_imports import Importer
from tests.contract.registry.writer import BIKE, Writer
from tests.servers.postgres import PostgresServer

DEADLINE_S = 20
CAR = ArtifactName("team", "demo", "car")
Heard = queue.SimpleQueue[ArtifactName | None]


def await_live(listening: Listening) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not listening.is_live:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def heard() -> Heard:
    return queue.SimpleQueue()


@pytest.fixture
def listening(registry: Registry, heard: Heard) -> Iterator[Listening]:
    listening = registry.changes.listen(heard.put)
    await_live(listening)
    assert heard.get(timeout=DEADLINE_S) is None, "what was before counts as changed"
    yield listening
    listening.close()


@pytest.fixture
def other(registry: Registry, registry_url: str) -> Iterator[Writer]:
    """Somebody else."""
    opened = open_registry(registry_url)
    yield Writer(opened)
    opened.close()


def nothing_more(heard: Heard) -> None:
    with pytest.raises(queue.Empty):
        heard.get(timeout=0.5)


def test_every_change_of_versions_and_aliases_is_heard(listening: Listening, heard: Heard, other: Writer) -> None:
    registry = other.registry
    changes: list[Callable[[], Any]] = [
        lambda: other.log(b"A"),
        lambda: other.log(b"B", aliases=("best",)),
        lambda: registry.aliases.set(BIKE, "best", 0),
        lambda: registry.aliases.rename(BIKE, "best", "better"),
        lambda: registry.aliases.remove(BIKE, "better"),
        lambda: registry.versions.edit_aliases(other.resolve("v0").id, add=["good"], remove=[]),
        lambda: registry.versions.update(other.resolve("v0").id, description="said later"),
        lambda: registry.versions.delete(other.resolve("v0").id, delete_aliases=True),
        lambda: Importer(other).add(7, b"copied"),
        lambda: registry.imports.place_aliases(BIKE, {"copied": 7}, among=[7]),
    ]
    for change in changes:
        change()
        assert heard.get(timeout=DEADLINE_S) == BIKE
    registry.collections.ensure(CAR, "dataset")
    assert heard.get(timeout=DEADLINE_S) == CAR
    assert heard.empty()


def test_what_changes_no_name_is_not_heard(listening: Listening, heard: Heard, other: Writer) -> None:
    other.log(b"A")
    assert heard.get(timeout=DEADLINE_S) == BIKE
    lease = other.open_lease()
    other.add_pack(lease, b"new")
    other.registry.leases.heartbeat(lease, 60)
    other.registry.runs.create("team", "demo", run_id="one")
    contribute(other, b"B")
    other.resolve("latest")
    nothing_more(heard)


def test_a_change_that_fails_is_not_heard(listening: Listening, heard: Heard, other: Writer) -> None:
    other.log(b"A")
    assert heard.get(timeout=DEADLINE_S) == BIKE
    with pytest.raises(LookupError):
        other.registry.aliases.set(BIKE, "best", 7)
    nothing_more(heard)


def test_nobody_is_told_after_the_end(registry: Registry, heard: Heard, other: Writer) -> None:
    listening = registry.changes.listen(heard.put)
    await_live(listening)
    listening.close()
    assert not listening.is_live
    while not heard.empty():
        heard.get()
    other.log(b"A")
    nothing_more(heard)


def test_after_a_restart_everything_counts_as_changed_and_changes_are_heard_again(
    mortal_postgres: PostgresServer, heard: Heard
) -> None:
    registry = open_registry(mortal_postgres.create_database())
    listening = registry.changes.listen(heard.put)
    try:
        await_live(listening)
        assert heard.get(timeout=DEADLINE_S) is None
        mortal_postgres.kill()
        mortal_postgres.resume()
        assert heard.get(timeout=DEADLINE_S) is None
        Writer(registry).log(b"A")
        assert heard.get(timeout=DEADLINE_S) == BIKE
    finally:
        listening.close()
        registry.close()


def test_a_server_that_falls_silent_is_noticed(mortal_postgres: PostgresServer, heard: Heard) -> None:
    with relay_to(mortal_postgres.port) as relay:
        registry = open_registry(relay.url(mortal_postgres.create_database()))
        listening = registry.changes.listen(heard.put)
        try:
            await_live(listening)
            relay.fault = Fault.STALL
            deadline = time.monotonic() + DEADLINE_S
            while listening.is_live:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            relay.fault = Fault.NONE
            await_live(listening)
        finally:
            listening.close()
            registry.close()


def test_with_sqlite_nobody_who_asks_after_a_change_is_answered_from_before(tmp_path: Any, heard: Heard) -> None:
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    registry, other = open_registry(url), open_registry(url)
    listening = registry.changes.listen(heard.put)
    try:
        await_live(listening)
        for step in range(50):
            while not heard.empty():
                heard.get()
            Writer(other).log(b"%d" % step)
            assert listening.is_live
            assert not heard.empty()
    finally:
        listening.close()
        registry.close()
        other.close()
