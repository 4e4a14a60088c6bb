"""Many threads, and many processes, at one registry: I2, I4 and I8 hold whoever races."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from artfs.registry.open import Registry
from tests.contract.registry.racers import (
    Kind,
    commit_and_collect,
    commit_distinct,
    commit_same,
    move_alias,
    open_and_look,
    race,
    set_own_key,
)
from tests.contract.registry.writer import BIKE, Writer

RACERS = {Kind.THREADS: 8, Kind.PROCESSES: 3}


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


def test_distinct_contents_get_contiguous_numbers_and_one_latest(registry: Registry, registry_url: str, kind: Kind) -> None:
    numbers = race(kind, registry_url, commit_distinct, range(RACERS[kind]))
    total = 5 * RACERS[kind]
    assert sorted(number for own in numbers for number in own) == list(range(total))
    assert all(own == sorted(own) for own in numbers), "a writer's own order is the order of its versions"
    versions = registry.versions.list(BIKE)
    assert [version.number for version in versions] == list(reversed(range(total)))
    assert [version.number for version in versions if "latest" in version.aliases] == [total - 1]


def test_equal_contents_become_one_version_each(registry: Registry, registry_url: str, kind: Kind) -> None:
    outcomes = [outcome for own in race(kind, registry_url, commit_same, range(RACERS[kind])) for outcome in own]
    versions = registry.versions.list(BIKE)
    assert sorted(version.number for version in versions) == list(range(5))
    assert len({version.digest for version in versions}) == 5
    assert sorted(number for number, created in outcomes if created) == list(range(5))
    expected = {"latest", *(f"by-{number}" for number in range(RACERS[kind]))}
    assert sorted(alias for version in versions for alias in version.aliases) == sorted(expected)


def test_alias_stands_on_one_version_whoever_moves_it(registry: Registry, registry_url: str, kind: Kind) -> None:
    writer = Writer(registry)
    for number in range(RACERS[kind]):
        writer.log(b"%d" % number)
    race(kind, registry_url, move_alias, range(RACERS[kind]))
    holders = [version.number for version in registry.versions.list(BIKE) if "best" in version.aliases]
    assert holders == [registry.aliases.list(BIKE)["best"]]
    assert set(registry.aliases.list(BIKE)) == {"best", "latest"}


def test_metadata_changes_of_all_are_kept(registry: Registry, registry_url: str, kind: Kind) -> None:
    Writer(registry).log(b"A")
    race(kind, registry_url, set_own_key, range(RACERS[kind]))
    metadata = Writer(registry).resolve("v0").metadata
    assert metadata == {f"{number}.{step}": step for number in range(RACERS[kind]) for step in range(5)}


def test_registry_is_made_once_however_many_open_it(registry_url: str, kind: Kind) -> None:
    assert race(kind, registry_url, open_and_look, range(RACERS[kind])) == [0] * RACERS[kind]


def test_pack_that_a_live_version_needs_is_never_collected(registry: Registry, registry_url: str, kind: Kind) -> None:
    committed = race(kind, registry_url, commit_and_collect, range(RACERS[kind]))
    assert sum(committed) > 0
    assert list(registry.versions.iter_live()) == []
    # Nothing is left behind that could never be collected.
    registry.packs.doom_unneeded()
    claimed = registry.packs.claim_doomed(datetime.now(UTC) + timedelta(hours=1), 1000)
    registry.packs.forget(record.id for record in claimed)
    assert [record for record in registry.packs.iter_all() if record.committed] == []
