"""What happens to an open database when its process forks."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from artfs.registry.forks import ForkGate
from artfs.registry.open import open_registry
from tests.contract.registry.writer import Writer

DEADLINE_S = 30

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


def fork_and_ask(events: list[str]) -> list[str]:
    """Fork, and return the events as the child has them."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writer, " ".join(events).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = file.read().decode().split()
    os.waitpid(pid, 0)
    return answer


def test_connections_are_closed_before_a_fork_and_abandoned_in_the_child_alone() -> None:
    events: list[str] = []
    gate = ForkGate(close=lambda: events.append("close"), abandon=lambda: events.append("abandon"))
    assert fork_and_ask(events) == ["close", "abandon"]
    assert events == ["close"]
    with gate.passing():
        events.append("passed")
    assert events == ["close", "passed"]


def test_fork_waits_for_the_transaction_of_another_thread_and_keeps_the_next_one_out() -> None:
    events: list[str] = []
    gate = ForkGate(close=lambda: events.append("close"), abandon=lambda: events.append("abandon"))
    inside = threading.Event()

    def transact() -> None:
        with gate.passing():
            inside.set()
            deadline = time.monotonic() + DEADLINE_S
            while not gate._forking and time.monotonic() < deadline:
                pass
            events.append("first")
        with gate.passing():
            events.append("second")

    thread = threading.Thread(target=transact)
    thread.start()
    assert inside.wait(DEADLINE_S)
    assert fork_and_ask(events) == ["first", "close", "abandon"]
    thread.join(DEADLINE_S)
    assert events == ["first", "close", "second"]


def test_child_inherits_no_open_file_of_the_registry(tmp_path: Path) -> None:
    registry = open_registry(f"sqlite:///{tmp_path}/registry.sqlite")
    Writer(registry).log(b"A")

    def open_files() -> list[str]:
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]  # noqa: PTH208
        targets = [os.readlink(link) for link in links if os.path.lexists(link)]  # noqa: PTH115
        return [target for target in targets if "registry.sqlite" in target]

    assert open_files(), "the parent has a connection"
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writer, " ".join(open_files()).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        assert file.read() == b""
    os.waitpid(pid, 0)
    assert Writer(registry).resolve("latest").label == "v0"
    registry.close()


def test_database_abandoned_in_mid_transaction_goes_on_with_new_connections(tmp_path: Path) -> None:
    registry = open_registry(f"sqlite:///{tmp_path}/registry.sqlite")
    database = registry._database
    pool = database._engine.pool
    database._abandon()
    assert database._engine.pool is not pool
    assert any(kept is pool for kept in database._inherited), "forgetting it would close what the parent uses"
    assert Writer(registry).log(b"A").created
    registry.close()
    pool.dispose()
