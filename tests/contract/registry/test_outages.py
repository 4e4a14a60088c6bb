"""A PostgreSQL that is restarted, goes away, does not answer, or is cut off at the worst moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from artfs.errors import RegistryUnavailable
from artfs.registry.database import hurried
from artfs.registry.open import Registry, open_registry
from tests.contract.registry.relay import Fault, Relay, relay_to
from tests.contract.registry.writer import BIKE, Writer
from tests.servers.postgres import PostgresServer

DEADLINE_S = 60
#: What a client begins with.
SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@pytest.fixture
def registry_url(mortal_postgres: PostgresServer) -> str:
    return mortal_postgres.create_database()


@pytest.fixture
def relay(mortal_postgres: PostgresServer, registry_url: str) -> Iterator[Relay]:
    with relay_to(mortal_postgres.port) as relay:
        yield relay


@pytest.fixture
def far(relay: Relay, registry_url: str) -> Iterator[Registry]:
    """The registry, through the relay."""
    opened = open_registry(relay.url(registry_url))
    yield opened
    opened.close()


@pytest.mark.parametrize("end", [PostgresServer.pause, PostgresServer.kill])
def test_reads_and_writes_go_on_after_a_restart(
    mortal_postgres: PostgresServer, registry: Registry, end: Callable[[PostgresServer], None]
) -> None:
    writer = Writer(registry)
    version = writer.log(b"A").version
    for _ in range(2):
        end(mortal_postgres)
        mortal_postgres.resume()
        assert writer.resolve("latest") == version
    end(mortal_postgres)
    mortal_postgres.resume()
    assert writer.log(b"B").version.label == "v1"


def test_a_commit_waits_for_a_server_that_is_being_restarted(mortal_postgres: PostgresServer, registry: Registry) -> None:
    writer = Writer(registry)
    writer.log(b"A")
    mortal_postgres.pause()
    with ThreadPoolExecutor(1) as thread:
        commit = thread.submit(writer.log, b"B")
        mortal_postgres.resume()
        assert commit.result(DEADLINE_S).version.label == "v1"


def test_a_server_that_is_away_is_reported_at_once_to_who_is_in_a_hurry(
    mortal_postgres: PostgresServer, registry: Registry
) -> None:
    writer = Writer(registry)
    writer.log(b"A")
    mortal_postgres.pause()
    with hurried(1.0), pytest.raises(RegistryUnavailable, match="check that the server runs"):
        writer.resolve("latest")


@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER_TO_COMMIT, Fault.LOSE_COMMIT])
def test_a_commit_whose_answer_was_lost_takes_place_once(relay: Relay, far: Registry, fault: Fault) -> None:
    writer = Writer(far)
    writer.log(b"A")
    draft = writer.draft(b"B", aliases=("best",))
    relay.fault = fault
    outcome = far.versions.commit(draft)
    assert relay.fault is Fault.NONE, "the connection was broken at COMMIT"
    assert (outcome.version.label, outcome.created) == ("v1", True)
    assert [version.label for version in far.versions.list(BIKE)] == ["v1", "v0"]
    assert far.aliases.list(BIKE) == {"best": 1, "latest": 1}


@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER_TO_COMMIT, Fault.LOSE_COMMIT])
def test_what_cannot_be_done_twice_is_not_reported_as_failed(relay: Relay, far: Registry, fault: Fault) -> None:
    writer = Writer(far)
    writer.log(b"A", aliases=("best",))
    relay.fault = fault
    far.aliases.remove(BIKE, "best")
    assert far.aliases.list(BIKE) == {"latest": 0}
    relay.fault = fault
    far.runs.create("team", "demo", run_id="one")
    assert far.runs.get("one").id == "one"


def test_a_server_that_does_not_answer_is_given_up(relay: Relay, far: Registry) -> None:
    writer = Writer(far)
    version = writer.log(b"A").version
    relay.fault = Fault.STALL
    with hurried(0.3), pytest.raises(RegistryUnavailable, match="check that the server runs"):
        writer.resolve("latest")
    relay.fault = Fault.NONE
    assert writer.resolve("latest") == version


def test_a_process_that_begins_waits_for_a_server_that_is_starting(relay: Relay, registry_url: str) -> None:
    relay.starting = 3
    opened = open_registry(relay.url(registry_url))
    assert relay.starting == 0
    assert Writer(opened).log(b"A").created
    opened.close()


def test_a_server_that_is_silent_is_asked_once_more_even_by_who_waits_for_one_that_is_started_anew(
    relay: Relay, far: Registry
) -> None:
    writer = Writer(far)
    writer.log(b"A")
    relay.fault = Fault.STALL
    relay.sent.clear()
    with hurried(0.3, waits=True), pytest.raises(RegistryUnavailable, match="check that the server runs"):
        writer.resolve("latest")
    assert relay.sent.count(SSL_REQUEST) == 1, "the beginnings of other connections"
    relay.fault = Fault.NONE


def test_many_threads_share_a_bounded_number_of_connections(registry_url: str, registry: Registry) -> None:
    writer = Writer(registry)
    version = writer.log(b"A").version
    start = threading.Barrier(64)

    def read() -> bool:
        start.wait(DEADLINE_S)
        return all(writer.resolve("latest") == version for _ in range(5))

    with psycopg.connect(registry_url, autocommit=True) as other, ThreadPoolExecutor(64) as threads:
        reads = [threads.submit(read) for _ in range(64)]
        most = 0
        while not all(each.done() for each in reads):
            row = other.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'artfs'").fetchone()
            most = max(most, row[0] if row else 0)
        assert all(each.result() for each in reads)
    assert 1 <= most <= 32


def test_old_tokens_are_removed_and_young_ones_kept(registry_url: str, registry: Registry) -> None:
    writer = Writer(registry)
    with psycopg.connect(registry_url, autocommit=True) as other:
        writer.log(b"A")
        young = {row[0] for row in other.execute("SELECT token FROM transactions")}
        other.execute(
            "INSERT INTO transactions SELECT decode(md5(n::text), 'hex'), now() - interval '2 hours' FROM generate_series(1, 500) n"
        )
        for _ in range(5000):
            registry.leases.end(writer.open_lease())
            if other.execute("SELECT count(*) FROM transactions WHERE written_at < now() - interval '1 hour'").fetchone() == (0,):
                break
        else:
            raise AssertionError("old tokens stay")
        assert young <= {row[0] for row in other.execute("SELECT token FROM transactions")}
