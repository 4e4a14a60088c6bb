"""Aliases by name."""

from __future__ import annotations

import pytest

from artfs.errors import NameNotValid, NotFound
from artfs.model.names import ArtifactName
from artfs.registry.open import Registry
from tests.contract.registry.writer import BIKE, Writer


@pytest.fixture
def two_versions(writer: Writer) -> Writer:
    writer.log(b"A", aliases=("first",))
    writer.log(b"B")
    return writer


def test_aliases_are_listed_with_their_numbers(registry: Registry, two_versions: Writer) -> None:
    assert registry.aliases.list(BIKE) == {"first": 0, "latest": 1}
    assert list(registry.aliases.list(BIKE)) == ["first", "latest"]


def test_alias_is_set_and_moved(registry: Registry, two_versions: Writer) -> None:
    assert registry.aliases.set(BIKE, "best", 0).aliases == ("best", "first")
    assert registry.aliases.set(BIKE, "best", 1).aliases == ("best", "latest")
    assert registry.aliases.list(BIKE) == {"best": 1, "first": 0, "latest": 1}


def test_setting_an_alias_where_it_stands_is_fine(registry: Registry, two_versions: Writer) -> None:
    assert registry.aliases.set(BIKE, "first", 0).label == "v0"


def test_alias_needs_a_version_that_is_there(registry: Registry, two_versions: Writer) -> None:
    with pytest.raises(NotFound, match=r"bike:v2: .*2 versions from v0 to v1"):
        registry.aliases.set(BIKE, "best", 2)
    with pytest.raises(NotFound, match="no artifact"):
        registry.aliases.set(ArtifactName("team", "demo", "car"), "best", 0)
    assert "best" not in registry.aliases.list(BIKE)


@pytest.mark.parametrize("alias", ["v3", "", "a/b", "a:b", "staging", ".x", "a\n", "a\0b", "x" * 129])
def test_alias_that_is_not_valid_is_refused(registry: Registry, two_versions: Writer, alias: str) -> None:
    with pytest.raises(NameNotValid):
        registry.aliases.set(BIKE, alias, 0)
    with pytest.raises(NameNotValid):
        registry.aliases.rename(BIKE, "first", alias)
    assert registry.aliases.list(BIKE) == {"first": 0, "latest": 1}


def test_alias_is_removed(registry: Registry, two_versions: Writer) -> None:
    registry.aliases.remove(BIKE, "first")
    assert registry.aliases.list(BIKE) == {"latest": 1}
    with pytest.raises(NotFound, match="bike:first"):
        registry.aliases.remove(BIKE, "first")


def test_alias_of_another_artifact_is_not_removed(registry: Registry, two_versions: Writer) -> None:
    other = ArtifactName("team", "demo", "car")
    Writer(registry, other).log(b"A")
    with pytest.raises(NotFound):
        registry.aliases.remove(other, "first")
    registry.aliases.remove(other, "latest")
    assert registry.aliases.list(BIKE) == {"first": 0, "latest": 1}


def test_alias_is_renamed(registry: Registry, two_versions: Writer) -> None:
    registry.aliases.rename(BIKE, "first", "oldest")
    assert registry.aliases.list(BIKE) == {"latest": 1, "oldest": 0}


def test_renaming_onto_an_alias_takes_its_place(registry: Registry, two_versions: Writer) -> None:
    registry.aliases.rename(BIKE, "first", "latest")
    assert registry.aliases.list(BIKE) == {"latest": 0}
    assert two_versions.resolve("v1").aliases == ()


def test_renaming_to_the_same_name_changes_nothing(registry: Registry, two_versions: Writer) -> None:
    registry.aliases.rename(BIKE, "first", "first")
    assert registry.aliases.list(BIKE) == {"first": 0, "latest": 1}


def test_renaming_what_is_not_there_is_refused_and_leaves_the_target(registry: Registry, two_versions: Writer) -> None:
    with pytest.raises(NotFound, match="bike:firts: did you mean 'first'"):
        registry.aliases.rename(BIKE, "firts", "latest")
    assert registry.aliases.list(BIKE) == {"first": 0, "latest": 1}
