"""Packs and the chunk index: what commits find, and what gc may take (I4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from artfs.errors import Conflict, LeaseLost
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, LeaseId, PackId, lease_of_pack, make_pack_id
from artfs.model.names import ArtifactName
from artfs.model.records import PackRecord
from artfs.registry.open import Registry
from tests.contract.registry.writer import BIKE, Writer, chunk_ref

SOON = timedelta(hours=1)
A, B, C = (digest_of(content) for content in (b"A", b"B", b"C"))


def later() -> datetime:
    """A time before which everything so far has been doomed or ended."""
    return datetime.now(UTC) + SOON


def all_packs(registry: Registry) -> dict[PackId, PackRecord]:
    return {record.id: record for record in registry.packs.iter_all()}


def delete_version(writer: Writer, content: bytes) -> frozenset[PackId]:
    """Commit and delete a version; its packs."""
    version = writer.log(content).version
    needed = writer.registry.versions.needed_packs(version.id)
    writer.registry.versions.delete(version.id, delete_aliases=True)
    return needed


def test_a_version_needs_its_packs_until_it_is_deleted(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    writer.add_pack(writer.open_lease(), b"B")
    assert len(registry.versions.needed_packs(version.id)) == 1
    registry.versions.delete(version.id, delete_aliases=True)
    assert registry.versions.needed_packs(version.id) == set()


def test_pack_is_kept_as_it_was_added(registry: Registry, writer: Writer) -> None:
    pack = writer.add_pack(writer.open_lease(), b"A", b"B")
    (record,) = registry.packs.iter_all()
    assert (record.id, record.size, record.committed, record.doomed_at) == (pack, 1002, False, None)
    assert abs(record.created_at - datetime.now(UTC)) < SOON


def test_chunks_are_found_where_they_lie(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    pack = make_pack_id(lease, 3)
    refs = [ChunkRef(A, 100, pack, 0, 60), ChunkRef(B, 2**24 - 1, pack, 2**31, 2**24 - 1)]
    registry.packs.add("team", lease, pack, 2**32, refs)
    assert registry.packs.find_chunks("team", lease, [A, B, C]) == {A: refs[0], B: refs[1]}
    assert registry.packs.find_chunks("team", lease, []) == {}


@pytest.mark.parametrize("fate", ["under way", "over"])
def test_what_another_commit_has_stored_is_found_and_stays_for_who_found_it(registry: Registry, writer: Writer, fate: str) -> None:
    mine, other = writer.open_lease(), writer.open_lease()
    found, unknown = writer.add_pack(mine, b"A"), writer.add_pack(mine, b"B", sequence=1)
    assert registry.packs.find_chunks("team", mine, [A]) == {A: chunk_ref(b"A", found, 0)}
    assert not all_packs(registry)[found].committed, "found by who has stored it"
    if fate == "over":
        registry.leases.end(mine)
    assert registry.packs.find_chunks("team", other, [A]) == {A: chunk_ref(b"A", found, 0)}
    registry.packs.drop_uncommitted(mine)
    assert all_packs(registry).keys() == {found} != {unknown}
    writer.log(b"A", lease=other, needed_packs={found})


def test_who_has_lost_his_lease_takes_nothing_of_another_commit(registry: Registry, writer: Writer) -> None:
    mine, other = writer.open_lease(), writer.open_lease()
    pack = writer.add_pack(mine, b"A")
    registry.leases.end(other)
    with pytest.raises(LeaseLost):
        registry.packs.find_chunks("team", other, [A])
    assert not all_packs(registry)[pack].committed


def test_chunks_of_another_entity_are_not_found(registry: Registry, writer: Writer) -> None:
    writer.log(b"A")
    rival = Writer(registry, ArtifactName("rival", "demo", "bike"))
    lease = rival.open_lease()
    assert registry.packs.find_chunks("rival", lease, [A]) == {}
    assert registry.packs.find_chunks("nobody", lease, [A]) == {}
    rival.add_pack(lease, b"A")
    assert registry.packs.find_chunks("rival", lease, [A])[A].pack == make_pack_id(lease, 0)


def test_pack_belongs_to_the_entity_of_its_lease(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    pack = make_pack_id(lease, 0)
    registry.packs.add("rival", lease, pack, 1, [chunk_ref(b"A", pack, 0)])
    assert registry.packs.find_chunks("rival", lease, [A]) == {}
    assert list(registry.packs.find_chunks("team", lease, [A])) == [A]


def test_digest_may_lie_in_several_packs(registry: Registry, writer: Writer) -> None:
    leases = [writer.open_lease() for _ in range(2)]
    packs = [writer.add_pack(lease, b"A", b"%d" % number) for number, lease in enumerate(leases)]
    for lease, pack in zip(leases, packs, strict=True):
        assert registry.packs.find_chunks("team", lease, [A])[A].pack == pack
    # Neither loses the chunk when the other commit comes to nothing.
    registry.packs.drop_uncommitted(leases[0])
    for lease in leases:
        assert registry.packs.find_chunks("team", lease, [A])[A].pack == packs[1]


def test_pack_may_hold_a_digest_twice(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    writer.add_pack(lease, b"A", b"A")
    assert registry.packs.find_chunks("team", lease, [A])[A].offset == 0


def test_adding_a_pack_again_changes_nothing(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    for _ in range(2):
        writer.add_pack(lease, b"A", b"B")
    assert len(all_packs(registry)) == 1
    assert len(registry.packs.find_chunks("team", lease, [A, B])) == 2


def test_pack_is_not_added_under_a_lease_that_is_over(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    registry.leases.end(lease)
    for dead in (lease, LeaseId(b"never opened"), writer.open_lease(ttl_s=-1)):
        with pytest.raises(LeaseLost):
            writer.add_pack(dead, b"A")
    assert all_packs(registry) == {}


def test_many_chunks_are_added_and_found(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    pack = make_pack_id(lease, 0)
    refs = [ChunkRef(digest_of(b"%d" % number), 9, pack, 7 * number, 7) for number in range(3000)]
    registry.packs.add("team", lease, pack, 21000, refs)
    asked: list[Digest] = [ref.digest for ref in refs] * 2 + [A]
    assert registry.packs.find_chunks("team", lease, asked) == {ref.digest: ref for ref in refs}


def test_packs_that_are_not_trusted_any_more_are_offered_to_no_commit_and_needed_as_before(
    registry: Registry, writer: Writer
) -> None:
    version = writer.log(b"A").version
    kept = registry.versions.needed_packs(writer.log(b"B").version.id)
    damaged = registry.versions.needed_packs(version.id)
    pending = writer.add_pack(writer.open_lease(), b"C")
    registry.packs.distrust([*damaged, pending, make_pack_id(LeaseId(b"never opened"), 0)])
    assert registry.packs.usable([*damaged, *kept]) == kept
    lease = writer.open_lease()
    assert registry.packs.find_chunks("team", lease, [digest_of(b"A"), digest_of(b"B")]).keys() == {digest_of(b"B")}
    assert registry.packs.find_chunks("team", lease_of_pack(pending), [digest_of(b"C")]) != {}, "a commit may use its own"
    registry.packs.doom_unneeded()
    assert registry.versions.needed_packs(version.id) == damaged
    assert all(all_packs(registry)[pack].doomed_at is None for pack in damaged)
    # Who has found its chunks before may still commit, and a new pack with the same content is trusted.
    writer.log(b"D", needed_packs=damaged)
    again = registry.versions.needed_packs(writer.log(b"A", artifact=replace(BIKE, name="again")).version.id)
    assert registry.packs.find_chunks("team", lease, [digest_of(b"A")])[digest_of(b"A")].pack in again


def test_packs_that_are_trusted_again_are_offered_as_before(registry: Registry, writer: Writer) -> None:
    restored = registry.versions.needed_packs(writer.log(b"A").version.id)
    gone = delete_version(writer, b"B")
    assert registry.packs.distrusted() == []
    registry.packs.distrust([*restored, *gone])
    assert {record.id for record in registry.packs.distrusted()} == restored | gone
    registry.packs.doom_unneeded()
    assert {record.id for record in registry.packs.distrusted()} == restored, "what gc is about to delete is not looked at"
    (pack,) = restored
    refs = [chunk_ref(b"A", pack, 0)]
    for _ in range(2):
        assert registry.packs.trust(pack, refs)
    assert registry.packs.distrusted() == []
    assert registry.packs.usable(restored) == restored
    lease = writer.open_lease()
    assert registry.packs.find_chunks("team", lease, [A]) == {A: refs[0]}
    assert registry.packs.find_chunks("others", lease, [A]) == {}
    registry.leases.end(lease)
    (doomed,) = gone
    registry.packs.claim_doomed(registry.now() + timedelta(hours=1), 10)
    assert not registry.packs.trust(doomed, [chunk_ref(b"B", doomed, 0)])
    assert not registry.packs.trust(make_pack_id(LeaseId(b"never opened"), 0), refs)


def test_only_committed_packs_that_stay_are_usable(registry: Registry, writer: Writer) -> None:
    kept = registry.versions.needed_packs(writer.log(b"A").version.id)
    doomed = delete_version(writer, b"B")
    registry.packs.doom_unneeded()
    pending = {writer.add_pack(writer.open_lease(), b"C")}
    unknown = {make_pack_id(LeaseId(b"never opened"), 0)}
    assert registry.packs.usable([*kept, *doomed, *pending, *unknown]) == kept
    assert registry.packs.usable([]) == set()


def test_all_packs_are_walked(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    added = [writer.add_pack(lease, sequence=number) for number in range(1100)]
    assert [record.id for record in registry.packs.iter_all()] == added


def test_only_packs_that_nothing_needs_are_doomed(registry: Registry, writer: Writer) -> None:
    kept = registry.versions.needed_packs(writer.log(b"A").version.id)
    gone = delete_version(writer, b"B")
    pending = writer.add_pack(writer.open_lease(), b"C")
    assert registry.packs.doom_unneeded() == 1
    assert registry.packs.doom_unneeded() == 0
    doomed_at = {pack: record.doomed_at for pack, record in all_packs(registry).items()}
    assert {pack for pack, time in doomed_at.items() if time is not None} == gone
    assert set(doomed_at) == {*kept, *gone, pending}


def test_pack_that_one_of_two_versions_still_needs_is_not_doomed(registry: Registry, writer: Writer) -> None:
    first = writer.log(b"A").version
    shared = registry.versions.needed_packs(first.id)
    second = writer.log(b"B", needed_packs=shared).version
    registry.versions.delete(first.id)
    assert registry.packs.doom_unneeded() == 0
    registry.versions.delete(second.id, delete_aliases=True)
    assert registry.packs.doom_unneeded() == 1


def test_chunks_of_doomed_packs_are_not_found(registry: Registry, writer: Writer) -> None:
    delete_version(writer, b"A")
    lease = writer.open_lease()
    assert list(registry.packs.find_chunks("team", lease, [A])) == [A]
    registry.packs.doom_unneeded()
    assert registry.packs.find_chunks("team", lease, [A]) == {}


def test_commit_saves_a_doomed_pack(registry: Registry, writer: Writer) -> None:
    packs = delete_version(writer, b"A")
    registry.packs.doom_unneeded()
    version = writer.log(b"A", needed_packs=packs).version
    assert registry.packs.usable(packs) == packs
    assert registry.packs.claim_doomed(later(), 10) == []
    assert registry.packs.doom_unneeded() == 0
    assert registry.versions.needed_packs(version.id) == packs


def test_pack_is_claimed_only_after_the_grace_period(registry: Registry, writer: Writer) -> None:
    packs = delete_version(writer, b"A")
    registry.packs.doom_unneeded()
    assert registry.packs.claim_doomed(datetime.now(UTC) - SOON, 10) == []
    claimed = registry.packs.claim_doomed(later(), 10)
    assert {record.id for record in claimed} == packs
    assert all(record.committed and record.doomed_at is not None for record in claimed)


def test_pack_that_is_not_doomed_is_not_claimed(registry: Registry, writer: Writer) -> None:
    delete_version(writer, b"A")
    assert registry.packs.claim_doomed(later(), 10) == []


def test_claimed_pack_cannot_be_had_back(registry: Registry, writer: Writer) -> None:
    packs = delete_version(writer, b"A")
    registry.packs.doom_unneeded()
    registry.packs.claim_doomed(later(), 10)
    with pytest.raises(Conflict, match="team/demo/bike needs stored content that has just been collected"):
        writer.log(b"A", needed_packs=packs)
    assert registry.packs.usable(packs) == set()
    assert registry.packs.find_chunks("team", writer.open_lease(), [A]) == {}


def test_claimed_packs_are_claimed_again_until_they_are_forgotten(registry: Registry, writer: Writer) -> None:
    packs = {pack for content in (b"A", b"B", b"C") for pack in delete_version(writer, content)}
    registry.packs.doom_unneeded()
    first = registry.packs.claim_doomed(later(), 2)
    assert len(first) == 2
    again = registry.packs.claim_doomed(later(), 2)
    assert [record.id for record in again] == [record.id for record in first]
    registry.packs.forget(record.id for record in first)
    rest = registry.packs.claim_doomed(later(), 2)
    assert {record.id for record in (*first, *rest)} == packs
    registry.packs.forget(record.id for record in rest)
    assert all_packs(registry) == {}
    assert registry.packs.claim_doomed(later(), 2) == []


def test_only_claimed_packs_are_forgotten(registry: Registry, writer: Writer) -> None:
    kept = registry.versions.needed_packs(writer.log(b"A").version.id)
    doomed = delete_version(writer, b"B")
    registry.packs.doom_unneeded()
    pending = writer.add_pack(writer.open_lease(), b"C")
    registry.packs.forget([*kept, *doomed, pending, make_pack_id(LeaseId(b"never opened"), 0)])
    assert set(all_packs(registry)) == {*kept, *doomed, pending}


def test_uncommitted_packs_of_one_lease_are_dropped(registry: Registry, writer: Writer) -> None:
    mine, other = writer.open_lease(), writer.open_lease()
    writer.add_pack(mine, b"A")
    writer.add_pack(mine, b"B", sequence=1)
    theirs = writer.add_pack(other, b"C")
    registry.packs.drop_uncommitted(mine)
    assert set(all_packs(registry)) == {theirs}
    assert registry.packs.find_chunks("team", mine, [A, B]) == {}
    assert list(registry.packs.find_chunks("team", other, [C])) == [C]


def test_committed_packs_are_not_dropped(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    needed = writer.add_pack(lease, b"A")
    writer.add_pack(lease, b"B", sequence=1)
    writer.log(b"A", lease=lease, needed_packs={needed})
    registry.packs.drop_uncommitted(lease)
    assert set(all_packs(registry)) == {needed}
    assert registry.packs.usable([needed]) == {needed}


def test_commit_whose_packs_were_dropped_is_refused(registry: Registry, writer: Writer) -> None:
    draft = writer.draft(b"A")
    registry.packs.drop_uncommitted(draft.lease)
    with pytest.raises(LeaseLost, match="commit it again"):
        registry.versions.commit(draft)
    assert registry.collections.find(BIKE) is None


def collect(registry: Registry) -> None:
    """Doom and delete whatever is not needed."""
    registry.packs.doom_unneeded()
    while claimed := registry.packs.claim_doomed(later(), 10):
        registry.packs.forget(record.id for record in claimed)


def test_chunks_of_a_deleted_pack_are_found_where_they_lie_now(registry: Registry, writer: Writer) -> None:
    (gone,) = delete_version(writer, b"A")
    there = registry.versions.needed_packs(writer.log(b"A").version.id)
    lost = [chunk_ref(b"A", gone, 0), chunk_ref(b"B", gone, 1)]
    assert {ref.pack for ref in registry.packs.relocate(lost).values()} == there, "also when the row is not gone yet"
    collect(registry)
    found = registry.packs.relocate(lost)
    assert {digest: ref.pack for digest, ref in found.items()} == {A: next(iter(there))}
    assert registry.packs.relocate([]) == {}


def test_pack_that_stays_is_preferred_to_one_that_is_doomed(registry: Registry, writer: Writer) -> None:
    (gone,) = delete_version(writer, b"A")
    stays = registry.versions.needed_packs(writer.log(b"A").version.id)
    registry.packs.relocate([chunk_ref(b"A", gone, 0)])
    delete_version(writer, b"A" * 2)
    lease = writer.open_lease()
    doomed = writer.add_pack(lease, b"A")
    registry.versions.delete(writer.log(b"C", lease=lease, needed_packs={doomed}).version.id, delete_aliases=True)
    registry.packs.doom_unneeded()
    assert {registry.packs.relocate([chunk_ref(b"A", gone, 0)])[A].pack} == stays


def test_chunks_of_another_entity_are_not_told_of(registry: Registry, writer: Writer) -> None:
    (gone,) = delete_version(writer, b"A")
    collect(registry)
    rival = Writer(registry, ArtifactName("rival", "demo", "bike"))
    rival.log(b"A")
    assert registry.packs.relocate([chunk_ref(b"A", gone, 0)]) == {}
    assert registry.packs.relocate([chunk_ref(b"A", make_pack_id(LeaseId(b"never opened"), 0), 0)]) == {}


def test_chunks_of_a_commit_under_way_are_not_told_of(registry: Registry, writer: Writer) -> None:
    (gone,) = delete_version(writer, b"A")
    collect(registry)
    writer.add_pack(writer.open_lease(), b"A")
    assert registry.packs.relocate([chunk_ref(b"A", gone, 0)]) == {}


def test_the_registry_tells_its_time(registry: Registry) -> None:
    first, second = registry.now(), registry.now()
    assert first.utcoffset() == timedelta(0)
    assert first <= second
    assert abs(second - datetime.now(UTC)) < SOON
