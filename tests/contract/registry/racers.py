"""What racing threads and processes do in these tests. Module-level functions, so that a spawned process can be told to run one.

Each opens the registry for itself when it is a process; threads share one.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from artfs.errors import Conflict
from artfs.registry.open import Registry, open_registry
from tests.contract.registry.writer import BIKE, Writer

Racer = Callable[[Registry, int], Any]


class Kind(StrEnum):
    THREADS = "threads"
    PROCESSES = "processes"


def race(kind: Kind, url: str, racer: Racer, numbers: Sequence[int]) -> list[Any]:
    """Let `racer` run for all numbers at once, and return what they returned, in order of the numbers."""
    if kind is Kind.THREADS:
        registry = open_registry(url)
        try:
            with ThreadPoolExecutor(len(numbers)) as threads:
                return list(threads.map(lambda number: racer(registry, number), numbers))
        finally:
            registry.close()
    with ProcessPoolExecutor(len(numbers), mp_context=multiprocessing.get_context("spawn")) as processes:
        return [future.result() for future in [processes.submit(run_alone, url, racer, number) for number in numbers]]


def run_alone(url: str, racer: Racer, number: int) -> Any:
    registry = open_registry(url)
    try:
        return racer(registry, number)
    finally:
        registry.close()


def commit_distinct(registry: Registry, number: int) -> list[int]:
    """Five versions that nobody else has."""
    writer = Writer(registry)
    return [writer.log(b"%d %d" % (number, step)).version.number for step in range(5)]


def commit_same(registry: Registry, number: int) -> list[tuple[int, bool]]:
    """Five contents that all others commit too, in an order of one's own."""
    writer = Writer(registry)
    outcomes = [writer.log(b"%d" % ((number + step) % 5), aliases=(f"by-{number}",)) for step in range(5)]
    return [(outcome.version.number, outcome.created) for outcome in outcomes]


def move_alias(registry: Registry, number: int) -> None:
    """Put one alias on one's own version again and again, by every way there is."""
    registry.aliases.set(BIKE, "best", number)
    version = Writer(registry).resolve(f"v{number}")
    for _ in range(5):
        registry.versions.edit_aliases(version.id, add=["best"])
        registry.aliases.set(BIKE, f"mine-{number}", number)
        registry.aliases.rename(BIKE, f"mine-{number}", "best")
        registry.versions.edit_aliases(version.id, remove=["best"])
        registry.aliases.set(BIKE, "best", number)


def open_and_look(registry: Registry, number: int) -> int:
    return len(registry.collections.projects())


def set_own_key(registry: Registry, number: int) -> None:
    """Change metadata key by key, as many do at once."""
    version = Writer(registry).resolve("v0")
    for step in range(5):
        registry.versions.update(version.id, set_metadata={f"{number}.{step}": step})


def commit_and_collect(registry: Registry, number: int) -> int:
    """Odd racers commit versions that need packs of deleted ones, and delete them again; even ones collect what is not needed.

    Whoever commits checks that gc dooms and claims none of the version's packs before it is deleted. Returns how many commits
    went through.
    """
    return _commit_and_delete(registry, number) if number % 2 else _collect(registry)


def _commit_and_delete(registry: Registry, number: int) -> int:
    writer = Writer(registry)
    committed = 0
    for step in range(10):
        lease = writer.open_lease()
        old = [record.id for record in registry.packs.iter_all() if record.committed][:2]
        needed = {writer.add_pack(lease, b"%d %d" % (number, step)), *old}
        try:
            version = writer.log(b"%d %d" % (number, step), lease=lease, needed_packs=needed).version
        except Conflict:
            continue  # one of the old packs has been claimed meanwhile, and nothing was committed
        committed += 1
        for _ in range(2):
            assert registry.packs.usable(needed) == needed, "gc has taken a pack that a live version needs"
        registry.versions.delete(version.id, delete_aliases=True)
    return committed


def _collect(registry: Registry) -> int:
    for _ in range(20):
        registry.packs.doom_unneeded()
        claimed = registry.packs.claim_doomed(datetime.now(UTC) + timedelta(hours=1), 2)
        registry.packs.forget(record.id for record in claimed)
    return 0
