"""Leases: alive, ended, expired, collectable."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from artfs.errors import Busy, LeaseLost
from artfs.model.entry import LEASE_ID_SIZE, LeaseId
from artfs.registry.open import Registry
from tests.contract.registry.writer import Writer

DEADLINE_S = 30


def wait_until_expired(registry: Registry) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while registry.leases.list_active():
        assert time.monotonic() < deadline


def test_lease_is_kept_as_it_was_opened(registry: Registry) -> None:
    lease = registry.leases.open("team", "host 1, process 2", 60)
    assert len(lease.id) == LEASE_ID_SIZE
    assert (lease.entity, lease.holder, lease.ended_at) == ("team", "host 1, process 2", None)
    assert timedelta(seconds=60) <= lease.expires_at - lease.started_at < timedelta(seconds=61)
    assert registry.leases.list_active() == [lease]


def test_leases_have_ids_of_their_own(registry: Registry) -> None:
    opened = [registry.leases.open("team", "me", 60) for _ in range(5)]
    assert len({lease.id for lease in opened}) == 5
    assert registry.leases.list_active() == opened


def test_heartbeat_keeps_a_lease_alive(registry: Registry) -> None:
    lease = registry.leases.open("team", "me", 60)
    registry.leases.heartbeat(lease.id, 3600)
    (renewed,) = registry.leases.list_active()
    assert renewed.expires_at > lease.expires_at + timedelta(seconds=3000)
    assert renewed.started_at == lease.started_at


def test_ended_lease_is_lost(registry: Registry) -> None:
    lease = registry.leases.open("team", "me", 60)
    registry.leases.end(lease.id)
    assert registry.leases.list_active() == []
    with pytest.raises(LeaseLost):
        registry.leases.heartbeat(lease.id, 60)


def test_ending_twice_keeps_the_first_time(registry: Registry) -> None:
    lease = registry.leases.open("team", "me", 60)
    registry.leases.end(lease.id)
    (ended,) = registry.leases.list_collectable(datetime.now(UTC) + timedelta(hours=1))
    registry.leases.end(lease.id)
    registry.leases.end(LeaseId(b"never opened"))
    assert registry.leases.list_collectable(datetime.now(UTC) + timedelta(hours=1)) == [ended]


def test_expired_lease_never_comes_back(registry: Registry) -> None:
    lease = registry.leases.open("team", "me", 0.05)
    wait_until_expired(registry)
    with pytest.raises(LeaseLost):
        registry.leases.heartbeat(lease.id, 60)
    assert registry.leases.list_active() == []


def test_unknown_lease_is_lost(registry: Registry) -> None:
    with pytest.raises(LeaseLost):
        registry.leases.heartbeat(LeaseId(b"never opened"), 60)


def test_lease_that_is_alive_is_never_collectable(registry: Registry) -> None:
    registry.leases.open("team", "me", 60)
    assert registry.leases.list_collectable(datetime.now(UTC) + timedelta(days=999)) == []


def test_ended_lease_is_collectable_after_the_grace_period(registry: Registry) -> None:
    lease = registry.leases.open("team", "me", 60)
    registry.leases.end(lease.id)
    assert registry.leases.list_collectable(datetime.now(UTC) - timedelta(hours=1)) == []
    (found,) = registry.leases.list_collectable(datetime.now(UTC) + timedelta(hours=1))
    assert found.id == lease.id
    assert found.ended_at is not None


def test_expired_lease_counts_as_ended_when_it_expired(registry: Registry) -> None:
    lease = registry.leases.open("team", "me", 0.05)
    wait_until_expired(registry)
    assert registry.leases.list_collectable(lease.expires_at) == []
    (found,) = registry.leases.list_collectable(lease.expires_at + timedelta(seconds=1))
    assert (found.id, found.ended_at) == (lease.id, lease.expires_at)


def test_removed_lease_is_gone_with_what_it_had_pending(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    writer.add_pack(lease, b"A")
    registry.leases.end(lease)
    registry.leases.remove(lease)
    registry.leases.remove(lease)
    assert registry.leases.list_collectable(datetime.now(UTC) + timedelta(hours=1)) == []
    assert list(registry.packs.iter_all()) == []


def test_lease_that_is_alive_is_not_removed(registry: Registry, writer: Writer) -> None:
    draft = writer.draft(b"A")
    with pytest.raises(Busy, match="a test"):
        registry.leases.remove(draft.lease)
    assert registry.versions.commit(draft).created


def test_committed_packs_outlive_their_lease(registry: Registry, writer: Writer) -> None:
    draft = writer.draft(b"A")
    version = registry.versions.commit(draft).version
    registry.leases.remove(draft.lease)
    assert registry.packs.usable(draft.needed_packs) == draft.needed_packs
    assert registry.versions.needed_packs(version.id) == draft.needed_packs
