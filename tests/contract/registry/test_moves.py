"""What gc and repack ask of the registry: who needs each pack, and moving a version to other packs (I2, I4)."""

from __future__ import annotations

import pytest

from artfs.errors import Conflict, LeaseLost
from artfs.model.digest import digest_of
from artfs.model.entry import ChunkRef, LeaseId, PackId, make_pack_id
from artfs.model.pack_uses import Needing, PackUse
from artfs.model.records import VersionRecord
from artfs.registry.open import Registry
from tests.contract.registry.test_contributions import contribute
from tests.contract.registry.test_packs import later
from tests.contract.registry.writer import BIKE, Writer, chunk_ref


def uses(registry: Registry, **asked: object) -> dict[PackId, PackUse]:
    return {use.pack.id: use for use in registry.packs.iter_uses(**asked)}  # type: ignore[arg-type]


def test_pack_names_the_first_versions_that_need_it_and_counts_all(registry: Registry, writer: Writer) -> None:
    (shared,) = registry.versions.needed_packs(writer.log(b"0").version.id)
    for number in range(1, 5):
        lease = writer.open_lease()
        writer.log(b"%d" % number, lease=lease, needed_packs={shared, writer.add_pack(lease, b"%d" % number)})
    use = uses(registry)[shared]
    assert use.versions == Needing(5, tuple(f"team/demo/bike:v{number}" for number in range(3)))
    assert (use.contributions, use.deleting, use.entity) == (Needing(), False, "team")
    assert use.lease is not None
    assert use.lease.ended_at is not None
    assert registry.packs.versions_needing([shared]) == [version.id for version in reversed(registry.versions.list(BIKE))]
    assert sum(each.versions.count for each in uses(registry).values()) == 5 + 4


def test_pack_names_contributions_and_the_commit_under_way(registry: Registry, writer: Writer) -> None:
    registry.runs.create("team", "demo", run_id="one")
    contribute(writer, b"A")
    pending = writer.add_pack(writer.open_lease(), b"B")
    (record,) = registry.contributions.list_all()
    (needed,) = registry.contributions.needed_packs([record.id])
    found = uses(registry)
    assert found[needed].contributions.count == 1
    assert found[needed].contributions.first[0].startswith("team/demo/bike (")
    lease = found[pending].lease
    assert lease is not None
    assert (lease.holder, lease.ended_at, found[pending].pack.committed) == ("a test", None, False)
    assert uses(registry, ignored=[record.id])[needed].contributions == Needing()


def test_pack_that_is_being_deleted_says_so(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    registry.versions.delete(version.id, delete_aliases=True)
    registry.packs.doom_unneeded()
    (use,) = registry.packs.iter_uses()
    assert (use.deleting, use.pack.doomed_at is not None) == (False, True)
    registry.packs.claim_doomed(later(), 10)
    (use,) = registry.packs.iter_uses()
    assert use.deleting
    registry.packs.forget([use.pack.id])
    assert list(registry.packs.iter_uses()) == []


def test_packs_of_a_lease_that_were_committed_are_told_from_the_others(registry: Registry, writer: Writer) -> None:
    lease, other = writer.open_lease(), writer.open_lease()
    kept, left = writer.add_pack(lease, b"A"), writer.add_pack(lease, b"B", sequence=1)
    writer.add_pack(other, b"C")
    writer.log(b"A", lease=lease, needed_packs={kept})
    assert registry.packs.committed_under([lease, other]) == {kept}
    registry.packs.drop_uncommitted(lease)
    assert left not in uses(registry)


def move(writer: Writer, version: VersionRecord, *, lease: LeaseId | None = None, sequence: int = 0) -> tuple[bool, PackId]:
    lease = lease or writer.open_lease()
    pack = writer.add_pack(lease, b"moved", sequence=sequence)
    there = chunk_ref(b"moved", pack, 0)
    return writer.registry.versions.move(version.id, version.manifest, there, needed=[pack], lease=lease), pack


def test_moved_version_is_the_same_with_other_packs(registry: Registry, writer: Writer) -> None:
    before = writer.log(b"A", aliases=("best",)).version
    old = registry.versions.needed_packs(before.id)
    lease = writer.open_lease()
    moved, pack = move(writer, before, lease=lease)
    after = registry.versions.get(before.id)
    assert moved
    assert after.manifest.pack == pack
    assert (after.digest, after.number, after.aliases, after.size) == (before.digest, 0, ("best", "latest"), before.size)
    assert registry.versions.needed_packs(before.id) == {pack} == registry.packs.usable([pack])
    assert registry.versions.find_stored(BIKE, digest_of(b"A")) == (after, frozenset({pack}))
    assert registry.packs.doom_unneeded() == len(old)
    registry.leases.heartbeat(lease, 60)  # it may move others


def test_only_the_first_of_two_moves_takes_place(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    _, first = move(writer, version)
    moved, second = move(writer, version)
    assert not moved
    assert registry.versions.needed_packs(version.id) == {first}
    assert registry.packs.usable([second]) == set(), "the other is left to gc"


def test_version_that_was_deleted_is_not_moved(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    registry.versions.delete(version.id, delete_aliases=True)
    assert move(writer, version)[0] is False
    assert registry.packs.doom_unneeded() == 1


def test_nothing_is_moved_under_a_lease_that_is_over_or_to_a_pack_that_is_gone(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    lease = writer.open_lease()
    pack = writer.add_pack(lease, b"moved")
    there = chunk_ref(b"moved", pack, 0)
    unknown = make_pack_id(LeaseId(b"never opened"), 0)
    with pytest.raises(Conflict):
        registry.versions.move(version.id, version.manifest, there, needed=[pack, unknown], lease=lease)
    registry.leases.end(lease)
    with pytest.raises(LeaseLost):
        registry.versions.move(version.id, version.manifest, there, needed=[pack], lease=lease)
    assert registry.versions.get(version.id) == version
    assert isinstance(version.manifest, ChunkRef)


def test_content_that_no_version_has_is_not_found_stored(registry: Registry, writer: Writer) -> None:
    assert registry.versions.find_stored(BIKE, digest_of(b"A")) is None
    version = writer.log(b"A").version
    registry.versions.delete(version.id, delete_aliases=True)
    assert registry.versions.find_stored(BIKE, digest_of(b"A")) is None
