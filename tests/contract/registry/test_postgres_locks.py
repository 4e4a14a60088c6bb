"""Interleavings of commit and gc in PostgreSQL, one by one: the test is the other transaction, and waits until artfs waits for it.

SQLite has one writer at a time, so none of this can happen there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from artfs.errors import Conflict, LeaseLost
from artfs.registry.migrations import _MIGRATION_LOCK
from artfs.registry.open import Registry, open_registry
from tests.contract.registry.test_contributions import contribute
from tests.contract.registry.writer import Writer, chunk_ref
from tests.servers.postgres import PostgresServer

DEADLINE_S = 30


@pytest.fixture
def registry_url(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def other(registry_url: str, registry: Registry) -> Iterator[psycopg.Connection]:
    """A transaction of somebody else."""
    with psycopg.connect(registry_url) as connection:
        yield connection


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def wait_until_blocked(url: str, work: Future[Any]) -> None:
    """Wait until a transaction of this database waits for a lock."""
    deadline = time.monotonic() + DEADLINE_S
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(waiting).fetchone() == (0,):
            assert not work.done(), "it did not wait for the other transaction"
            assert time.monotonic() < deadline


def test_doom_spares_a_pack_that_a_commit_in_flight_comes_to_need(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    writer = Writer(registry)
    version = writer.log(b"A").version
    packs = registry.versions.needed_packs(version.id)
    keeper = writer.log(b"B", needed_packs=()).version
    registry.versions.delete(version.id)
    # As far as a commit has come that needs the pack too.
    other.execute("SELECT id FROM packs FOR UPDATE")
    other.execute("INSERT INTO version_packs SELECT %s, id FROM packs", (keeper.id,))
    doom = thread.submit(registry.packs.doom_unneeded)
    wait_until_blocked(registry_url, doom)
    other.commit()
    assert doom.result(DEADLINE_S) == 0
    assert registry.packs.usable(packs) == packs


def test_claim_spares_a_pack_that_a_commit_in_flight_saves(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    writer = Writer(registry)
    version = writer.log(b"A").version
    packs = registry.versions.needed_packs(version.id)
    keeper = writer.log(b"B", needed_packs=()).version
    registry.versions.delete(version.id)
    registry.packs.doom_unneeded()
    other.execute("UPDATE packs SET doomed_at = NULL")
    other.execute("INSERT INTO version_packs SELECT %s, id FROM packs", (keeper.id,))
    claim = thread.submit(registry.packs.claim_doomed, datetime.now(UTC) + timedelta(hours=1), 10)
    wait_until_blocked(registry_url, claim)
    other.commit()
    assert claim.result(DEADLINE_S) == []
    assert registry.packs.usable(packs) == packs


def test_pack_that_gc_in_flight_has_claimed_is_not_trusted_again(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    version = Writer(registry).log(b"A").version
    (pack,) = registry.versions.needed_packs(version.id)
    registry.packs.distrust([pack])
    registry.versions.delete(version.id, delete_aliases=True)
    registry.packs.doom_unneeded()
    other.execute("UPDATE packs SET state = 'deleting'")
    trust = thread.submit(registry.packs.trust, pack, [chunk_ref(b"A", pack, 0)])
    wait_until_blocked(registry_url, trust)
    other.commit()
    assert not trust.result(DEADLINE_S)
    registry.packs.forget([pack])


def test_commit_sees_that_gc_in_flight_has_claimed_its_pack(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    writer = Writer(registry)
    version = writer.log(b"A").version
    packs = registry.versions.needed_packs(version.id)
    registry.versions.delete(version.id, delete_aliases=True)
    registry.packs.doom_unneeded()
    other.execute("UPDATE packs SET state = 'deleting'")
    commit = thread.submit(writer.log, b"B", needed_packs=packs)
    wait_until_blocked(registry_url, commit)
    other.commit()
    with pytest.raises(Conflict, match="commit it again"):
        commit.result(DEADLINE_S)


def test_commit_sees_that_gc_in_flight_has_ended_its_lease(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    draft = Writer(registry).draft(b"A")
    other.execute("UPDATE leases SET ended_at = expires_at")
    commit = thread.submit(registry.versions.commit, draft)
    wait_until_blocked(registry_url, commit)
    other.commit()
    with pytest.raises(LeaseLost):
        commit.result(DEADLINE_S)


def test_gc_waits_for_a_commit_in_flight_whose_lease_has_expired(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    lease = Writer(registry).open_lease(ttl_s=-1)
    # As far as a commit has come that found its lease alive.
    other.execute("SELECT lease FROM leases FOR NO KEY UPDATE")
    listing = thread.submit(registry.leases.list_collectable, datetime.now(UTC) + timedelta(hours=1))
    wait_until_blocked(registry_url, listing)
    other.execute("UPDATE leases SET ended_at = now() + interval '2 hours'")
    other.commit()
    assert listing.result(DEADLINE_S) == [], "the commit's own end of the lease counts"
    assert [found.id for found in registry.leases.list_collectable(datetime.now(UTC) + timedelta(hours=3))] == [lease]


def test_a_heartbeat_does_not_wait_for_packs_that_are_being_entered(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    """With many writers one pack or another is being entered all the time."""
    writer = Writer(registry)
    lease = writer.open_lease()
    other.execute("LOCK TABLE packs IN SHARE MODE")
    adding = thread.submit(writer.add_pack, lease, b"A")
    wait_until_blocked(registry_url, adding)
    registry.leases.heartbeat(lease, 3600)
    assert not adding.done()
    other.commit()
    adding.result(DEADLINE_S)


@pytest.mark.parametrize("ended", [False, True])
def test_gc_waits_for_a_pack_that_is_being_entered(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor, ended: bool
) -> None:
    lease = Writer(registry).open_lease(ttl_s=-1)
    # As far as one has come that found the lease alive.
    other.execute("SELECT lease FROM leases FOR KEY SHARE")
    if ended:
        registry.leases.end(lease)
    listing = thread.submit(registry.leases.list_collectable, datetime.now(UTC) + timedelta(hours=1))
    wait_until_blocked(registry_url, listing)
    other.commit()
    assert [found.id for found in listing.result(DEADLINE_S)] == [lease]


def test_no_pack_is_entered_under_a_lease_that_gc_in_flight_ends(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    writer = Writer(registry)
    lease = writer.open_lease()
    other.execute("SELECT lease FROM leases FOR UPDATE")
    other.execute("UPDATE leases SET ended_at = expires_at")
    adding = thread.submit(writer.add_pack, lease, b"A")
    wait_until_blocked(registry_url, adding)
    other.commit()
    with pytest.raises(LeaseLost):
        adding.result(DEADLINE_S)


def test_commit_that_loses_a_deadlock_is_done_again(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    writer = Writer(registry)
    writer.log(b"A")
    draft = writer.draft(b"B")
    # The locks in the wrong order: the commit has the collection and waits for the lease, which we have.
    other.execute("SET deadlock_timeout = '10s'")
    other.execute("SELECT lease FROM leases WHERE lease = %s FOR UPDATE", (draft.lease,))
    commit = thread.submit(registry.versions.commit, draft)
    wait_until_blocked(registry_url, commit)
    # The server finds the deadlock in the commit's session, which has the shorter timeout, and rolls that back.
    other.execute("SELECT id FROM collections FOR UPDATE")
    other.commit()
    assert commit.result(DEADLINE_S).version.label == "v1"


def test_opening_a_new_registry_waits_for_whoever_makes_it(registry_url: str, thread: ThreadPoolExecutor) -> None:
    with psycopg.connect(registry_url) as maker:
        maker.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        opening = thread.submit(open_registry, registry_url)
        wait_until_blocked(registry_url, opening)
        maker.commit()
    opened = opening.result(DEADLINE_S)
    assert opened.collections.projects() == []
    opened.close()


def test_registry_goes_on_after_the_server_was_restarted(
    registry_url: str, registry: Registry, postgres_server: PostgresServer
) -> None:
    writer = Writer(registry)
    writer.log(b"A")
    postgres_server.pause()
    postgres_server.resume()
    assert writer.log(b"B").version.label == "v1"
    assert writer.resolve("latest").label == "v1"


def test_a_contribution_does_not_wait_for_a_commit_or_finish_of_its_artifact(
    registry: Registry, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    writer = Writer(registry)
    registry.runs.create("team", "demo", run_id="one")
    writer.log(b"A")
    other.execute("SELECT id FROM collections FOR NO KEY UPDATE")
    thread.submit(contribute, writer, b"B").result(DEADLINE_S)
    assert len(registry.contributions.list_all()) == 1


def test_a_finish_waits_for_another_and_then_does_nothing(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    writer = Writer(registry)
    registry.runs.create("team", "demo", run_id="one")
    contribute(writer, b"A")
    version = writer.log(b"of the other").version
    (record,) = registry.contributions.list_all()
    draft = writer.draft(b"whole")
    other.execute("SELECT id FROM collections FOR NO KEY UPDATE")
    finishing = thread.submit(registry.contributions.finish, draft, [record.id])
    wait_until_blocked(registry_url, finishing)
    other.execute("UPDATE contributions SET version_id = %s", [version.id])
    other.commit()
    assert finishing.result(DEADLINE_S) is None
    assert [found.number for found in registry.versions.list(writer.artifact)] == [0]


def test_gc_spares_a_pack_that_a_contribution_in_flight_comes_to_need(
    registry: Registry, registry_url: str, other: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    writer = Writer(registry)
    registry.runs.create("team", "demo", run_id="one")
    contribute(writer, b"A")
    (record,) = registry.contributions.list_all()
    (pack,) = registry.contributions.needed_packs([record.id])
    other.execute("CREATE TEMP TABLE kept AS SELECT * FROM contribution_packs")
    other.execute("DELETE FROM contribution_packs")
    other.commit()
    other.execute("SELECT id FROM packs FOR UPDATE")
    dooming = thread.submit(registry.packs.doom_unneeded)
    wait_until_blocked(registry_url, dooming)
    other.execute("INSERT INTO contribution_packs SELECT * FROM kept")
    other.commit()
    assert dooming.result(DEADLINE_S) == 0
    assert registry.packs.usable([pack]) == {pack}
