"""Collections and projects."""

from __future__ import annotations

import pytest

from artfs.errors import NotFound, UserError
from artfs.model.names import ArtifactName
from artfs.registry.open import Registry
from tests.contract.registry.writer import BIKE, Writer


def test_collection_is_made_once(registry: Registry) -> None:
    first = registry.collections.ensure(BIKE, "dataset")
    assert registry.collections.ensure(BIKE, "dataset") == first
    assert registry.collections.get(BIKE) == registry.collections.find(BIKE) == first
    assert (first.artifact, first.type, first.version_count) == (BIKE, "dataset", 0)


def test_one_name_has_one_type(registry: Registry) -> None:
    registry.collections.ensure(BIKE, "dataset")
    with pytest.raises(UserError, match="team/demo/bike has the type 'dataset', not 'model'"):
        registry.collections.ensure(BIKE, "model")
    assert registry.collections.get(BIKE).type == "dataset"


def test_missing_collection_is_none_or_not_found(registry: Registry) -> None:
    assert registry.collections.find(BIKE) is None
    with pytest.raises(NotFound):
        registry.collections.get(BIKE)
    assert registry.collections.list("team", "demo") == []
    assert registry.collections.projects() == []


def test_collections_of_a_project_are_listed_by_name(registry: Registry) -> None:
    for name in ("b", "a10", "B", "a2", "_", "-"):
        registry.collections.ensure(ArtifactName("team", "demo", name), "dataset")
    registry.collections.ensure(ArtifactName("team", "other", "c"), "dataset")
    registry.collections.ensure(ArtifactName("rival", "demo", "d"), "dataset")
    assert [record.artifact.name for record in registry.collections.list("team", "demo")] == ["-", "B", "_", "a10", "a2", "b"]


def test_projects_of_all_entities_are_listed(registry: Registry) -> None:
    for entity, project in (("team", "z"), ("team", "a"), ("rival", "z")):
        registry.collections.ensure(ArtifactName(entity, project, "x"), "dataset")
    assert registry.collections.projects() == [("rival", "z"), ("team", "a"), ("team", "z")]


def test_names_differ_by_case(registry: Registry) -> None:
    lower = registry.collections.ensure(ArtifactName("team", "demo", "bike"), "dataset")
    upper = registry.collections.ensure(ArtifactName("team", "demo", "Bike"), "model")
    assert lower.id != upper.id
    assert registry.collections.get(ArtifactName("team", "demo", "bike")).type == "dataset"


def test_live_versions_are_counted(registry: Registry, writer: Writer) -> None:
    writer.log(b"A")
    version = writer.log(b"B").version
    Writer(registry, ArtifactName("team", "demo", "car")).log(b"A")
    assert registry.collections.get(BIKE).version_count == 2
    registry.versions.delete(version.id, delete_aliases=True)
    assert registry.collections.get(BIKE).version_count == 1
    assert [record.version_count for record in registry.collections.list("team", "demo")] == [1, 1]


def test_names_like_patterns_and_statements_are_only_names(registry: Registry) -> None:
    for name in ("%", "_", "'; DROP TABLE collections; --", "a.b", "select"):
        registry.collections.ensure(ArtifactName("team", "demo", name), "dataset")
    assert registry.collections.find(ArtifactName("team", "demo", "a_b")) is None
    assert len(registry.collections.list("team", "demo")) == 5
