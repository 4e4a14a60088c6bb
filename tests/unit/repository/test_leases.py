"""The keeper of leases, over a table in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from artfs.errors import LeaseLost, RegistryUnavailable
from artfs.model.entry import LEASE_ID_SIZE, LeaseId
from artfs.model.records import LeaseRecord
from artfs.repository.leases import LeaseKeeper
from tests.waiting import wait_until


class Table:
    """Counts heartbeats; `error` is raised by those of one lease."""

    def __init__(self) -> None:
        self.beats: dict[LeaseId, int] = {}
        self.ended: set[LeaseId] = set()
        self.errors: dict[LeaseId, Exception] = {}
        self.beaten = threading.Condition()

    def open(self, entity: str, holder: str, ttl_s: float) -> LeaseRecord:
        lease = LeaseId(os.urandom(LEASE_ID_SIZE))
        now = datetime.now(UTC)
        self.beats[lease] = 0
        return LeaseRecord(lease, entity, holder, now, now, None)

    def heartbeat(self, lease: LeaseId, ttl_s: float) -> None:
        with self.beaten:
            self.beats[lease] += 1
            self.beaten.notify_all()
        if lease in self.errors:
            raise self.errors[lease]

    def end(self, lease: LeaseId) -> None:
        self.ended.add(lease)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.beaten:
            assert self.beaten.wait_for(condition, timeout=30)


@pytest.fixture
def table() -> Table:
    return Table()


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "artfs-leases"]


def test_one_thread_extends_all_leases_and_ends_with_the_last(table: Table) -> None:
    keeper = LeaseKeeper(table, interval_s=0.005)
    one, two = keeper.open("e"), keeper.open("e")
    table.wait_for(lambda: table.beats[one] > 2 and table.beats[two] > 2)
    assert len(_threads()) == 1
    keeper.end(one)
    assert table.ended == {one}
    keeper.release(two)
    wait_until(lambda: not _threads())
    assert table.ended == {one}, "a released lease is ended by the registry itself"
    three = keeper.open("e")
    table.wait_for(lambda: table.beats[three] > 0)
    keeper.close()
    assert not _threads()


def test_lost_lease_is_given_up_and_the_others_go_on(table: Table) -> None:
    keeper = LeaseKeeper(table, interval_s=0.005)
    lost, kept = keeper.open("e"), keeper.open("e")
    table.errors[lost] = LeaseLost("took too long")
    table.wait_for(lambda: table.beats[kept] > 3)
    wait_until(lambda: keeper.held == {kept})
    keeper.close()


def test_heartbeat_that_fails_for_now_is_tried_again(table: Table) -> None:
    keeper = LeaseKeeper(table, interval_s=0.005)
    lease = keeper.open("e")
    table.errors[lease] = RegistryUnavailable("locked")
    table.wait_for(lambda: table.beats[lease] > 3)
    assert keeper.held == {lease}
    keeper.close()


def test_heartbeat_that_did_not_get_through_is_tried_again_soon_and_the_others_with_it(table: Table) -> None:
    keeper = LeaseKeeper(table, interval_s=0.005)
    leases = [keeper.open("e") for _ in range(3)]
    for lease in leases:
        table.errors[lease] = RegistryUnavailable("away")
    table.wait_for(lambda: sum(table.beats.values()) > 3)
    table.errors.clear()  # an outage shorter than the lease: nobody has noticed
    before = dict(table.beats)
    table.wait_for(lambda: all(table.beats[lease] > before[lease] + 1 for lease in leases))
    assert keeper.held == set(leases)
    keeper.close()


@pytest.mark.expected_logs("heartbeat of the lease")
def test_defect_in_one_heartbeat_does_not_stop_the_others(table: Table) -> None:
    keeper = LeaseKeeper(table, interval_s=0.005)
    broken, kept = keeper.open("e"), keeper.open("e")
    table.errors[broken] = RuntimeError("a defect")
    table.wait_for(lambda: table.beats[kept] > 3)
    keeper.close()


def test_dropped_lease_is_ended_by_the_thread(table: Table) -> None:
    keeper = LeaseKeeper(table, interval_s=0.005)
    dropped, kept = keeper.open("e"), keeper.open("e")
    keeper.drop_later(dropped)
    wait_until(lambda: dropped in table.ended)
    assert keeper.held == {kept}
    keeper.close()


def test_last_lease_that_is_dropped_is_ended_too(table: Table) -> None:
    keeper = LeaseKeeper(table, interval_s=0.005)
    dropped = keeper.open("e")
    keeper.drop_later(dropped)
    wait_until(lambda: dropped in table.ended and not _threads())


def test_dropped_lease_is_ended_when_the_keeper_closes_before_the_next_round(table: Table) -> None:
    keeper = LeaseKeeper(table)
    dropped, held = keeper.open("e"), keeper.open("e")
    keeper.drop_later(dropped)
    keeper.close()
    assert table.ended == {dropped}
    assert held not in keeper.held


def test_registry_that_cannot_be_told_of_the_end_is_no_error(table: Table) -> None:
    class Away(Table):
        def end(self, lease: LeaseId) -> None:
            raise RegistryUnavailable("away")

    keeper = LeaseKeeper(Away())
    keeper.end(keeper.open("e"))
    assert not keeper.held
    keeper.close()


def test_registry_that_is_away_is_told_of_one_dropped_lease_and_not_of_each() -> None:
    tried: list[LeaseId] = []

    class Away(Table):
        def end(self, lease: LeaseId) -> None:
            tried.append(lease)
            raise RegistryUnavailable("away")

    keeper = LeaseKeeper(Away())
    for _ in range(20):
        keeper.drop_later(keeper.open("e"))
    keeper.close()
    assert len(tried) == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_holds_no_lease_and_can_open_its_own(table: Table) -> None:
    keeper = LeaseKeeper(table, interval_s=0.005)
    lease = keeper.open("e")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            empty = not keeper.held and not _threads()
            own = keeper.open("e")
            code = 0 if empty and keeper.held == {own} else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 0
    assert keeper.held == {lease}
    keeper.close()
