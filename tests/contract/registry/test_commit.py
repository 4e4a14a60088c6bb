"""The commit transaction: numbers, reuse by digest, aliases, notes, producers, leases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from artfs.errors import AlreadyExists, Conflict, LeaseLost, NameNotValid, NotFound, UserError
from artfs.model.digest import digest_of
from artfs.model.entry import LeaseId, make_pack_id
from artfs.model.names import ArtifactName
from artfs.model.records import VersionState
from artfs.registry.open import Registry
from tests.contract.registry.writer import BIKE, Writer, chunk_ref


def test_first_version_is_v0_and_latest(writer: Writer) -> None:
    outcome = writer.log(b"A")
    assert outcome.created
    assert outcome.version.name == "bike:v0"
    assert outcome.version.aliases == ("latest",)
    assert outcome.version.state is VersionState.COMMITTED


def test_record_holds_all_that_was_drafted(writer: Writer) -> None:
    lease = writer.open_lease()
    pack = writer.add_pack(lease, b"A", sequence=7)
    manifest = chunk_ref(b"the manifest", pack, 3)
    before = datetime.now(UTC) - timedelta(seconds=5)
    made = writer.log(
        b"A",
        lease=lease,
        needed_packs={pack},
        manifest=manifest,
        size=2**40,
        file_count=10**6,
        description="first",
        metadata={"epochs": 3, "nested": {"list": [1, None, "x"]}},
    ).version
    found = writer.resolve("v0")
    assert found == made
    assert found.artifact == BIKE
    assert found.type == "dataset"
    assert found.digest == digest_of(b"A")
    assert found.manifest == manifest
    assert (found.size, found.file_count) == (2**40, 10**6)
    assert found.description == "first"
    assert found.metadata == {"epochs": 3, "nested": {"list": [1, None, "x"]}}
    assert before < found.created_at < datetime.now(UTC) + timedelta(seconds=5)
    assert found.created_at.utcoffset() == timedelta(0)


def test_new_content_is_the_next_version_and_takes_latest(writer: Writer) -> None:
    writer.log(b"A")
    second = writer.log(b"B").version
    assert second.label == "v1"
    assert second.aliases == ("latest",)
    assert writer.resolve("v0").aliases == ()


def test_equal_content_is_the_same_version(writer: Writer) -> None:
    first = writer.log(b"A").version
    again = writer.log(b"A")
    assert not again.created
    assert again.version.id == first.id
    assert len(writer.registry.versions.list(BIKE)) == 1


def test_latest_goes_back_to_content_that_is_logged_again(writer: Writer) -> None:
    for content in (b"A", b"B", b"A"):
        outcome = writer.log(content)
    assert outcome.version.label == "v0"
    assert writer.resolve("latest").label == "v0"
    assert writer.log(b"C").version.label == "v2"


def test_equal_content_of_another_name_is_a_version_of_its_own(registry: Registry, writer: Writer) -> None:
    writer.log(b"A")
    other = Writer(registry, ArtifactName("team", "demo", "car")).log(b"A")
    assert other.created
    assert other.version.name == "car:v0"


def test_aliases_of_the_draft_are_added_to_a_reused_version(writer: Writer) -> None:
    writer.log(b"A", aliases=("first",))
    writer.log(b"B", aliases=("best",))
    assert writer.log(b"A", aliases=("best", "again")).version.aliases == ("again", "best", "first", "latest")
    assert writer.resolve("v1").aliases == ()


def test_notes_of_the_draft_are_applied_to_a_reused_version(writer: Writer) -> None:
    writer.log(b"A", description="old", metadata={"a": 1, "b": 1})
    assert writer.log(b"A", metadata={"b": 2, "c": 3}).version.metadata == {"a": 1, "b": 2, "c": 3}
    assert writer.resolve("v0").description == "old"
    assert writer.log(b"A", description="").version.description == ""
    assert writer.resolve("v0").metadata == {"a": 1, "b": 2, "c": 3}


def test_every_run_that_logs_the_content_is_a_producer(registry: Registry, writer: Writer) -> None:
    first, second = (registry.runs.create("team", "demo").id for _ in range(2))
    version = writer.log(b"A", run_id=first).version
    writer.log(b"A", run_id=second)
    writer.log(b"A", run_id=first)
    assert [run.id for run in registry.lineage.producers(version.id)] == [first, second]


def test_unknown_run_commits_nothing(registry: Registry, writer: Writer) -> None:
    draft = writer.draft(b"A", run_id="nobody")
    with pytest.raises(NotFound, match="nobody"):
        registry.versions.commit(draft)
    assert registry.collections.find(BIKE) is None
    assert registry.packs.usable(draft.needed_packs) == set()


def test_alias_that_is_not_valid_commits_nothing(registry: Registry, writer: Writer) -> None:
    for alias in ("v7", "a/b", "staging", ".hidden", ""):
        with pytest.raises(NameNotValid):
            writer.log(b"A", aliases=(alias,))
    assert registry.collections.find(BIKE) is None


def test_other_type_commits_nothing(writer: Writer) -> None:
    writer.log(b"A")
    with pytest.raises(UserError, match="'dataset', not 'model'"):
        writer.log(b"B", type="model")
    assert [version.label for version in writer.registry.versions.list(BIKE)] == ["v0"]


def test_no_type_means_the_type_of_the_collection(writer: Writer) -> None:
    with pytest.raises(NotFound, match="say which type"):
        writer.log(b"A", type=None)
    writer.log(b"A")
    assert writer.log(b"B", type=None).version.type == "dataset"


def test_expected_number_is_insisted_on(writer: Writer) -> None:
    assert writer.log(b"A", expected_number=0).version.label == "v0"
    with pytest.raises(AlreadyExists, match="next version is v1"):
        writer.log(b"B", expected_number=0)
    with pytest.raises(AlreadyExists, match="v1, not v5"):
        writer.log(b"B", expected_number=5)
    assert writer.log(b"B", expected_number=1).version.label == "v1"


def test_expected_number_of_known_content_is_its_own_or_the_next(writer: Writer) -> None:
    writer.log(b"A")
    writer.log(b"B")
    assert writer.log(b"A", expected_number=0).version.label == "v0"
    assert writer.log(b"A", expected_number=2).version.label == "v0"
    with pytest.raises(AlreadyExists):
        writer.log(b"A", expected_number=1)


def test_failed_commit_gives_no_number_away(writer: Writer) -> None:
    draft = writer.draft(b"A", needed_packs={make_pack_id(LeaseId(b"x" * 12), 0)})
    with pytest.raises(Conflict):
        writer.registry.versions.commit(draft)
    assert writer.log(b"B").version.label == "v0"


def test_number_is_never_given_again(registry: Registry, writer: Writer) -> None:
    writer.log(b"A")
    highest = writer.log(b"B").version
    registry.versions.delete(highest.id, delete_aliases=True)
    again = writer.log(b"B")
    assert again.created
    assert again.version.label == "v2"


def test_commit_ends_its_lease(registry: Registry, writer: Writer) -> None:
    draft = writer.draft(b"A")
    registry.versions.commit(draft)
    assert registry.leases.list_active() == []
    with pytest.raises(LeaseLost):
        registry.leases.heartbeat(draft.lease, 60)


def test_commit_that_reuses_a_version_ends_its_lease_too(registry: Registry, writer: Writer) -> None:
    writer.log(b"A")
    writer.log(b"A")
    assert registry.leases.list_active() == []


def test_commit_under_a_lease_that_is_over_is_refused(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease(ttl_s=LEASE_SOON_OVER_S)
    expired = writer.draft(b"A", lease=lease, needed_packs=())
    while registry.leases.list_active():
        pass
    ended = writer.draft(b"B")
    registry.leases.end(ended.lease)
    gone = writer.draft(b"C", lease=LeaseId(b"never opened"), needed_packs=())
    for draft in (expired, ended, gone):
        with pytest.raises(LeaseLost, match="team/demo/bike"):
            registry.versions.commit(draft)
    assert registry.collections.find(BIKE) is None


LEASE_SOON_OVER_S = 0.05


def test_known_content_needs_no_lease(registry: Registry, writer: Writer) -> None:
    # A commit whose answer was lost is tried again: its lease has ended, its content is there.
    draft = writer.draft(b"A")
    first = registry.versions.commit(draft)
    assert registry.versions.commit(draft).version == first.version


def test_pack_of_another_commit_under_way_cannot_be_needed(registry: Registry, writer: Writer) -> None:
    theirs = writer.add_pack(writer.open_lease(), b"A")
    with pytest.raises(Conflict, match="commit it again"):
        writer.log(b"B", needed_packs={theirs})
    assert registry.packs.usable([theirs]) == set()


def test_version_without_content_needs_no_pack(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"", needed_packs=()).version
    assert registry.versions.needed_packs(version.id) == frozenset()


def test_version_needs_many_packs(registry: Registry, writer: Writer) -> None:
    lease = writer.open_lease()
    needed = frozenset(writer.add_pack(lease, b"%d" % number, sequence=number) for number in range(600))
    version = writer.log(b"A", lease=lease, needed_packs=needed).version
    assert registry.versions.needed_packs(version.id) == needed
    assert registry.packs.usable(needed) == needed


@pytest.mark.parametrize(
    "text", ["naïve ✓ 数据", "quote ' \" ; DROP TABLE versions; --", "%s %(x)s :name ?", "x" * 100_000, "\x01\x7f\n"]
)
def test_strange_text_comes_back_as_it_was(writer: Writer, text: str) -> None:
    writer.log(b"A", description=text, metadata={text: text})
    assert writer.resolve("v0").description == text
    assert writer.resolve("v0").metadata == {text: text}


def test_nul_and_half_characters_come_back_in_metadata(writer: Writer) -> None:
    writer.log(b"A", metadata={"nul \0": "\0", "half": "\ud800"})
    assert writer.resolve("v0").metadata == {"nul \0": "\0", "half": "\ud800"}


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_description_that_cannot_be_kept_is_refused(writer: Writer, text: str) -> None:
    with pytest.raises(UserError, match="cannot be kept"):
        writer.log(b"A", description=text)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), object()])
def test_metadata_that_is_no_json_is_refused(writer: Writer, value: object) -> None:
    with pytest.raises(UserError, match="JSON"):
        writer.log(b"A", metadata={"value": value})
    assert writer.registry.collections.find(BIKE) is None


def test_strange_aliases_work(writer: Writer) -> None:
    names = ("best ap50", "ünïcode", "100%", "'; --", "V7", "v7x", "~", "a" * 128)
    version = writer.log(b"A", aliases=names).version
    assert version.aliases == tuple(sorted((*names, "latest")))
    for name in names:
        assert writer.resolve(name) == version
