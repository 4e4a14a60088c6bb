"""Contributions: kept until they are finished or given up, each part of one version once, and what they need kept from gc (I4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from artfs.errors import Conflict, LeaseLost, NotFound, UserError
from artfs.model.contributions import ContributionDraft, Wishes
from artfs.model.digest import digest_of
from artfs.model.entry import PackId, make_pack_id
from artfs.model.names import ArtifactName
from artfs.model.records import CommitOutcome
from artfs.registry.open import Registry
from tests.contract.registry.writer import BIKE, Writer, chunk_ref

LATER = timedelta(hours=1)


@pytest.fixture
def runs(registry: Registry) -> list[str]:
    """Three runs; the second has a name of its own."""
    names = {"one": None, "two": "the second", "three": None}
    return [registry.runs.create("team", "demo", run_id=run_id, name=name).id for run_id, name in names.items()]


def draft(writer: Writer, content: bytes, run_id: str = "one", distributed_id: str = "g", **changes: Any) -> ContributionDraft:
    """A contribution with that content, in a pack of a lease of its own unless `lease` and `needed_packs` are given."""
    lease = changes.pop("lease", None) or writer.open_lease()
    needed = changes.pop("needed_packs", None)
    if needed is None:
        needed = {writer.add_pack(lease, content)}
    values: dict[str, Any] = {
        "artifact": writer.artifact,
        "type": "dataset",
        "distributed_id": distributed_id,
        "run_id": run_id,
        "manifest": chunk_ref(content, make_pack_id(lease, 0), 0),
        "size": len(content),
        "file_count": 1,
        "needed_packs": frozenset(needed),
        "lease": lease,
    }
    return ContributionDraft(**{**values, **changes})


def contribute(writer: Writer, content: bytes, run_id: str = "one", distributed_id: str = "g", **changes: Any) -> None:
    writer.registry.contributions.add(draft(writer, content, run_id, distributed_id, **changes))


def finish(writer: Writer, content: bytes, merged: list[int], **changes: Any) -> CommitOutcome | None:
    return writer.registry.contributions.finish(writer.draft(content, **changes), merged)


def ids(registry: Registry, distributed_id: str = "g") -> list[int]:
    return [record.id for record in registry.contributions.list_of(BIKE, distributed_id)]


def test_contributions_are_kept_as_they_were_made_and_in_order(registry: Registry, writer: Writer, runs: list[str]) -> None:
    wishes = Wishes(("best", "new"), "a part", {"rows": [1, {"ü": None}]})
    contribute(writer, b"AB", "two", wishes=wishes, file_count=7)
    contribute(writer, b"C", "one")
    one, two = registry.contributions.list_of(BIKE, "g")
    assert (one.artifact, one.type, one.distributed_id) == (BIKE, "dataset", "g")
    assert (one.run_id, one.run_name, one.writer) == ("two", "the second", "the second (run two)")
    assert (one.size, one.file_count, one.wishes) == (2, 7, wishes)
    assert one.manifest.digest == digest_of(b"AB")
    assert abs(one.created_at - datetime.now(UTC)) < LATER
    assert (two.writer, two.wishes) == ("one", Wishes())
    assert one.id < two.id
    assert registry.contributions.list_all() == [one, two]


def test_nobody_sees_a_version_before_the_finish(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    assert registry.versions.list(BIKE) == []
    assert list(registry.versions.iter_live()) == []
    with pytest.raises(NotFound, match="has no versions"):
        writer.resolve("latest")


def test_a_contribution_ends_its_lease_and_shares_its_chunks(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    assert registry.leases.list_active() == []
    found = registry.packs.find_chunks("team", writer.open_lease(), [digest_of(b"A")])
    assert set(found) == {digest_of(b"A")}


def test_what_a_contribution_needs_is_not_collected(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    (number,) = ids(registry)
    (pack,) = registry.contributions.needed_packs([number])
    assert registry.packs.doom_unneeded() == 0
    assert registry.packs.usable([pack]) == {pack}


def test_a_contribution_takes_back_a_pack_that_was_doomed(registry: Registry, writer: Writer, runs: list[str]) -> None:
    version = writer.log(b"A").version
    (old,) = registry.versions.needed_packs(version.id)
    registry.versions.delete(version.id, delete_aliases=True)
    assert registry.packs.doom_unneeded() == 1
    contribute(writer, b"B", needed_packs={old})
    assert registry.packs.usable([old]) == {old}
    assert registry.packs.claim_doomed(datetime.now(UTC) + LATER, 10) == []


def test_a_contribution_is_refused_when_what_it_needs_is_gone(registry: Registry, writer: Writer, runs: list[str]) -> None:
    lease = writer.open_lease()
    own = writer.add_pack(lease, b"A")
    foreign = writer.add_pack(writer.open_lease(), b"B")
    for needed in ({own, foreign}, {own, PackId(b"never was there.")}):
        with pytest.raises(Conflict, match="just been collected"):
            contribute(writer, b"A", lease=lease, needed_packs=needed)
    registry.leases.end(lease)
    with pytest.raises(LeaseLost, match="the contribution to team/demo/bike"):
        contribute(writer, b"A", lease=lease, needed_packs={own})
    assert registry.contributions.list_all() == []


def test_a_contribution_of_another_type_or_of_no_run_is_refused(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    with pytest.raises(UserError, match="has the type 'dataset', not 'model'"):
        contribute(writer, b"B", type="model")
    with pytest.raises(NotFound, match="no run 'four'"):
        contribute(writer, b"B", "four")
    contribute(writer, b"B", type=None)
    assert len(registry.contributions.list_all()) == 2


def test_a_finish_makes_a_version_and_all_contributors_its_producers(registry: Registry, writer: Writer, runs: list[str]) -> None:
    for run_id in ("two", "one", "two"):
        contribute(writer, run_id.encode(), run_id)
    outcome = finish(writer, b"all", ids(registry), run_id="three", aliases=("whole",))
    assert outcome is not None
    assert outcome.created
    assert outcome.version.aliases == ("latest", "whole")
    assert [run.id for run in registry.lineage.producers(outcome.version.id)] == ["two", "one", "three"]
    assert registry.contributions.list_all() == []
    assert registry.contributions.list_sets() == []


def test_what_only_contributions_needed_is_collected_after_the_finish(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    numbers = ids(registry)
    kept = registry.contributions.needed_packs(numbers)
    contribute(writer, b"B")
    outcome = finish(writer, b"all", ids(registry), needed_packs=kept)
    assert outcome is not None
    assert registry.versions.needed_packs(outcome.version.id) == kept
    assert registry.contributions.needed_packs(numbers) == frozenset()
    assert registry.packs.doom_unneeded() == 1
    assert registry.packs.usable(kept) == kept


def test_a_contribution_becomes_part_of_one_version_once(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    first = ids(registry)
    contribute(writer, b"B")
    both = ids(registry)
    assert finish(writer, b"one", first) is not None
    assert finish(writer, b"two", both) is None
    assert [version.number for version in registry.versions.list(BIKE)] == [0]
    assert finish(writer, b"two", ids(registry)) is not None
    assert [version.number for version in registry.versions.list(BIKE)] == [1, 0]


def test_a_finish_that_did_nothing_leaves_its_lease_alive(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    merged = ids(registry)
    assert finish(writer, b"A", merged) is not None
    lease = writer.open_lease()
    pack = writer.add_pack(lease, b"B")
    assert finish(writer, b"B", merged, lease=lease, needed_packs={pack}) is None
    registry.leases.heartbeat(lease, 60)
    assert finish(writer, b"B", [], lease=lease, needed_packs={pack}) is not None


def test_what_is_contributed_meanwhile_is_for_the_next_version(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A", "one")
    merged = ids(registry)
    contribute(writer, b"B", "two")
    outcome = finish(writer, b"all", merged)
    assert outcome is not None
    assert [run.id for run in registry.lineage.producers(outcome.version.id)] == ["one"]
    assert [record.run_id for record in registry.contributions.list_of(BIKE, "g")] == ["two"]


def test_a_finish_of_known_content_reuses_its_version(registry: Registry, writer: Writer, runs: list[str]) -> None:
    version = writer.log(b"all").version
    contribute(writer, b"A", "two")
    outcome = finish(writer, b"all", ids(registry), run_id="one", description="again")
    assert outcome is not None
    assert (outcome.created, outcome.version.id, outcome.version.description) == (False, version.id, "again")
    assert [run.id for run in registry.lineage.producers(version.id)] == ["two", "one"]
    assert registry.contributions.list_all() == []


def test_a_finish_that_fails_changes_nothing(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    before = registry.contributions.list_all()
    with pytest.raises(Conflict):
        finish(writer, b"all", ids(registry), needed_packs={PackId(b"never was there.")})
    with pytest.raises(NotFound):
        finish(writer, b"all", ids(registry), run_id="four")
    assert registry.contributions.list_all() == before
    assert registry.contributions.needed_packs([before[0].id])
    assert registry.versions.list(BIKE) == []


def test_a_finish_without_contributions_is_a_commit(registry: Registry, writer: Writer, runs: list[str]) -> None:
    outcome = finish(writer, b"A", [], run_id="one")
    assert outcome is not None
    assert (outcome.version.number, outcome.created) == (0, True)


def test_ids_and_artifacts_do_not_mix(registry: Registry, writer: Writer, runs: list[str]) -> None:
    other = Writer(registry, ArtifactName("team", "demo", "car"))
    contribute(writer, b"A", distributed_id="g")
    contribute(writer, b"B", distributed_id="h")
    contribute(other, b"C", distributed_id="g")
    assert [len(ids(registry, name)) for name in ("g", "h", "i")] == [1, 1, 0]
    assert finish(writer, b"all", ids(registry)) is not None
    assert [(record.artifact.name, record.distributed_id) for record in registry.contributions.list_all()] == [
        ("bike", "h"),
        ("car", "g"),
    ]


def test_sets_are_listed_with_their_writers_and_sums(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"AAA", "two", file_count=2)
    contribute(writer, b"B", "one", "h")
    contribute(writer, b"CC", "one")
    contribute(writer, b"DD", "two")
    g, h = registry.contributions.list_sets()
    assert (g.artifact, g.type, g.distributed_id, g.writers) == (BIKE, "dataset", "g", ("the second (run two)", "one"))
    assert (g.contributions, g.size, g.file_count) == (3, 7, 4)
    assert g.first_at < h.first_at == h.last_at < g.last_at
    assert registry.contributions.list_sets(idle_s=3600) == []


def test_a_set_is_given_up_as_one_when_nobody_adds_to_it(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    contribute(writer, b"B")
    contribute(writer, b"C", distributed_id="h")
    assert registry.contributions.give_up(BIKE, "g", idle_s=3600) is None
    given_up = registry.contributions.give_up(BIKE, "g", idle_s=0)
    assert given_up is not None
    assert (given_up.contributions, given_up.size) == (2, 2)
    assert registry.contributions.give_up(BIKE, "g", idle_s=0) is None
    assert registry.contributions.give_up(ArtifactName("team", "demo", "none"), "g", idle_s=0) is None
    assert len(registry.contributions.list_all()) == 1
    assert registry.packs.doom_unneeded() == 2


def test_a_finish_of_what_was_given_up_is_refused(registry: Registry, writer: Writer, runs: list[str]) -> None:
    contribute(writer, b"A")
    merged = ids(registry)
    registry.contributions.give_up(BIKE, "g", idle_s=0)
    with pytest.raises(Conflict, match="given up as abandoned in this moment: contribute it again"):
        finish(writer, b"all", merged)
    assert registry.versions.list(BIKE) == []


def test_many_contributions_become_one_version(registry: Registry, writer: Writer, runs: list[str]) -> None:
    # More than fit into one statement.
    lease = writer.open_lease()
    pack = writer.add_pack(lease, b"shared")
    writer.log(b"shared", lease=lease, needed_packs={pack})
    for number in range(520):
        contribute(writer, b"%d" % number, runs[number % 3], needed_packs={pack})
    assert registry.contributions.needed_packs(ids(registry)) == {pack}
    outcome = finish(writer, b"all", ids(registry), needed_packs={pack})
    assert outcome is not None
    assert [run.id for run in registry.lineage.producers(outcome.version.id)] == runs
    assert registry.contributions.list_all() == []
