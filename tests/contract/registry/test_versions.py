"""Look-up of versions, what may change of one, and deletion."""

from __future__ import annotations

import pytest

from artfs.errors import Conflict, NameNotValid, NotFound, UserError
from artfs.model.digest import digest_of
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import VersionState
from artfs.registry.open import Registry
from tests.contract.registry.writer import BIKE, Writer


def test_versions_are_listed_newest_first_without_deleted_ones(registry: Registry, writer: Writer) -> None:
    made = [writer.log(b"%d" % number).version for number in range(12)]
    registry.versions.delete(made[5].id)
    assert [version.number for version in registry.versions.list(BIKE)] == [11, 10, 9, 8, 7, 6, 4, 3, 2, 1, 0]


def test_version_is_found_by_label_and_by_alias(writer: Writer) -> None:
    version = writer.log(b"A", aliases=("best",)).version
    writer.log(b"B")
    assert writer.resolve("v0") == writer.resolve("best")
    assert writer.resolve("best").id == version.id
    assert writer.resolve("latest").label == "v1"


def test_missing_artifact_is_told_with_a_similar_name(registry: Registry, writer: Writer) -> None:
    writer.log(b"A")
    for call in (registry.collections.get, registry.versions.list, registry.aliases.list):
        with pytest.raises(NotFound, match="no artifact team/demo/bikes: did you mean bike"):
            call(ArtifactName("team", "demo", "bikes"))
    with pytest.raises(NotFound, match="the project has bike"):
        registry.collections.get(ArtifactName("team", "demo", "zzz"))


def test_artifact_of_another_project_is_suggested(registry: Registry, writer: Writer) -> None:
    writer.log(b"A")
    with pytest.raises(NotFound, match="did you mean team/demo/bike"):
        registry.versions.resolve(VersionName(ArtifactName("team", "other", "bike"), "latest"))
    with pytest.raises(NotFound, match="the project team/other has no artifacts"):
        registry.versions.resolve(VersionName(ArtifactName("team", "other", "car"), "latest"))


def test_missing_version_is_told_with_what_there_is(writer: Writer) -> None:
    writer.log(b"A", aliases=("best-ap50",))
    with pytest.raises(NotFound, match="no version team/demo/bike:v1: it has v0 and the aliases best-ap50, latest"):
        writer.resolve("v1")
    writer.log(b"B")
    with pytest.raises(NotFound, match="did you mean 'best-ap50'"):
        writer.resolve("best-ap5")
    with pytest.raises(NotFound, match="2 versions from v0 to v1"):
        writer.resolve("zzz")
    with pytest.raises(NotFound, match="v9999999999"):
        writer.resolve("v9999999999")


def test_artifact_without_versions_says_so(registry: Registry, writer: Writer) -> None:
    registry.collections.ensure(BIKE, "dataset")
    with pytest.raises(NotFound, match="has no versions"):
        writer.resolve("latest")
    assert registry.versions.list(BIKE) == []


def test_alias_of_another_artifact_does_not_count(registry: Registry, writer: Writer) -> None:
    writer.log(b"A", aliases=("best",))
    other = Writer(registry, ArtifactName("team", "demo", "car"))
    other.log(b"A")
    with pytest.raises(NotFound):
        other.resolve("best")


def test_version_is_got_by_id(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    assert registry.versions.get(version.id) == version
    with pytest.raises(NotFound):
        registry.versions.get(version.id + 1)


def test_version_is_found_by_digest(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    assert registry.versions.find_by_digest(BIKE, digest_of(b"A")) == version
    assert registry.versions.find_by_digest(BIKE, digest_of(b"B")) is None
    assert registry.versions.find_by_digest(ArtifactName("team", "demo", "car"), digest_of(b"A")) is None


def test_all_live_versions_are_walked(registry: Registry, writer: Writer) -> None:
    other = Writer(registry, ArtifactName("else", "where", "car"))
    made = [writer.log(b"A").version, other.log(b"A").version, writer.log(b"B").version]
    registry.versions.delete(made[0].id)
    assert [version.id for version in registry.versions.iter_live()] == [made[1].id, made[2].id]


def test_versions_may_be_committed_while_all_are_walked(registry: Registry, writer: Writer) -> None:
    writer.log(b"A")
    walk = registry.versions.iter_live()
    assert next(walk).label == "v0"
    writer.log(b"B")
    assert [version.label for version in walk] == ["v1"]


def test_description_is_kept_set_and_cleared(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A", description="old").version
    assert registry.versions.update(version.id).description == "old"
    assert registry.versions.update(version.id, description="new").description == "new"
    assert registry.versions.update(version.id, description=None).description is None
    assert writer.resolve("v0").description is None


def test_metadata_keys_of_two_handles_merge(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A", metadata={"a": 1, "b": 1}).version
    registry.versions.update(version.id, set_metadata={"c": 3})
    changed = registry.versions.update(version.id, set_metadata={"a": 2}, remove_metadata=["b", "never there"])
    assert changed.metadata == {"a": 2, "c": 3}
    assert writer.resolve("v0").metadata == {"a": 2, "c": 3}


def test_order_of_metadata_keys_is_kept(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A", metadata={"z": 1, "a": 2, "m": 3}).version
    assert list(registry.versions.get(version.id).metadata) == ["z", "a", "m"]


def test_update_that_is_no_json_changes_nothing(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A", description="old").version
    with pytest.raises(UserError):
        registry.versions.update(version.id, description="new", set_metadata={"x": {1, 2}})
    assert writer.resolve("v0").description == "old"


def test_alias_edits_of_two_handles_merge(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A", aliases=("a", "b")).version
    registry.versions.edit_aliases(version.id, add=["c"])
    assert registry.versions.edit_aliases(version.id, add=["d"], remove=["a", "never there"]).aliases == ("b", "c", "d", "latest")


def test_added_alias_moves_here(registry: Registry, writer: Writer) -> None:
    first = writer.log(b"A", aliases=("best",)).version
    second = writer.log(b"B").version
    assert registry.versions.edit_aliases(second.id, add=["best"]).aliases == ("best", "latest")
    assert registry.versions.get(first.id).aliases == ()


def test_removing_an_alias_that_is_elsewhere_by_now_leaves_it_there(registry: Registry, writer: Writer) -> None:
    first = writer.log(b"A", aliases=("best",)).version
    writer.log(b"B", aliases=("best",))
    registry.versions.edit_aliases(first.id, remove=["best"])
    assert writer.resolve("best").label == "v1"


def test_alias_edit_with_a_bad_name_changes_nothing(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    with pytest.raises(NameNotValid):
        registry.versions.edit_aliases(version.id, add=["good", "v3"], remove=["latest"])
    assert registry.versions.get(version.id).aliases == ("latest",)


def test_alias_added_and_removed_at_once_is_there(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    assert registry.versions.edit_aliases(version.id, add=["x"], remove=["x"]).aliases == ("latest", "x")


def test_version_under_an_alias_is_not_deleted(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A", aliases=("best",)).version
    with pytest.raises(Conflict, match="bike:v0 is in use under the name best, latest"):
        registry.versions.delete(version.id)
    assert writer.resolve("best") == version


def test_deleted_version_goes_with_its_aliases_and_keeps_its_row(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A", aliases=("best",)).version
    deleted = registry.versions.delete(version.id, delete_aliases=True)
    assert deleted.state is VersionState.DELETED
    assert registry.versions.get(version.id) == deleted
    assert registry.aliases.list(BIKE) == {}
    assert registry.versions.needed_packs(version.id) == frozenset()
    assert registry.versions.find_by_digest(BIKE, version.digest) is None
    with pytest.raises(NotFound, match="team/demo/bike:v0 has been deleted"):
        writer.resolve("v0")


def test_deleting_one_version_leaves_the_others_alone(registry: Registry, writer: Writer) -> None:
    first = writer.log(b"A").version
    second = writer.log(b"B", aliases=("best",)).version
    needed = registry.versions.needed_packs(second.id)
    registry.versions.delete(first.id)
    assert writer.resolve("best") == second
    assert registry.versions.needed_packs(second.id) == needed != frozenset()


def test_deleted_version_cannot_be_changed(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    registry.versions.delete(version.id, delete_aliases=True)
    with pytest.raises(NotFound):
        registry.versions.update(version.id, description="x")
    with pytest.raises(NotFound):
        registry.versions.edit_aliases(version.id, add=["x"])
    with pytest.raises(NotFound):
        registry.versions.delete(version.id)
    with pytest.raises(NotFound):
        registry.aliases.set(BIKE, "x", 0)
    assert registry.aliases.list(BIKE) == {}


def test_same_content_may_be_deleted_more_than_once(registry: Registry, writer: Writer) -> None:
    for number in range(3):
        version = writer.log(b"A").version
        assert version.number == number
        registry.versions.delete(version.id, delete_aliases=True)
    assert registry.versions.list(BIKE) == []


def test_newest_is_the_live_version_of_the_highest_number(registry: Registry, writer: Writer) -> None:
    with pytest.raises(NotFound):
        registry.versions.newest(BIKE)
    records = [writer.log(content).version for content in (b"A", b"B", b"C")]
    writer.log(b"A")
    assert registry.versions.newest(BIKE) == registry.versions.get(records[2].id)
    for record in records:
        registry.versions.delete(record.id, delete_aliases=True)
    assert registry.versions.newest(BIKE) is None


def test_what_many_versions_need_is_told_at_once(registry: Registry, writer: Writer) -> None:
    versions = [writer.log(b"%d" % number).version for number in range(4)]
    registry.versions.delete(versions[1].id, delete_aliases=True)
    ids = [version.id for version in versions]
    assert registry.versions.needed_by_each(ids) == {number: registry.versions.needed_packs(number) for number in ids}
    assert registry.versions.needed_by_each(ids)[ids[1]] == frozenset()
    assert registry.versions.needed_by_each([]) == {}
