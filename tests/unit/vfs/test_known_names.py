"""Names that are remembered for the time in which the registry does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from artfs.errors import NotFound, RegistryUnavailable
from artfs.model.names import ArtifactName, VersionName
from artfs.registry.open import Registry, open_registry
from artfs.vfs.known_names import KnownNames

PETS = ArtifactName("tester", "default", "pets")


class Switch:
    """Stands before the parts of a registry, counts what they are asked, and refuses while it is off."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.is_on = True
        self.asked = 0
        self.versions: Any = SimpleNamespace(resolve=self._passing("versions", "resolve"), list=self._passing("versions", "list"))
        self.collections: Any = SimpleNamespace(
            find=self._passing("collections", "find"), list=self._passing("collections", "list")
        )

    def _passing(self, part: str, method: str) -> Any:
        def ask(*arguments: Any) -> Any:
            self.asked += 1
            if not self.is_on:
                raise RegistryUnavailable("it is off")
            return getattr(getattr(self._registry, part), method)(*arguments)

        return ask


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Switch]:
    registry = open_registry(f"sqlite:///{tmp_path}/registry.sqlite")
    registry.collections.ensure(PETS, "dataset")
    yield Switch(registry)
    registry.close()


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def names(switch: Switch, clock: list[float]) -> KnownNames:
    return KnownNames(switch, lambda: clock[0])  # type: ignore[arg-type]


def test_what_a_list_held_is_known_by_name_too(names: KnownNames, switch: Switch) -> None:
    assert [found.artifact for found in names.collections("tester", "default")] == [PETS]
    switch.is_on = False
    found = names.collection(PETS)
    assert found is not None
    assert found.type == "dataset"


def test_what_was_not_there_is_not_there_while_nobody_can_tell(names: KnownNames, switch: Switch) -> None:
    missing = VersionName(PETS, "best")
    for is_on in (True, False):
        switch.is_on = is_on
        with pytest.raises(NotFound, match="best"):
            names.version(missing)


def test_what_nobody_knows_fails_as_the_registry_does(names: KnownNames, switch: Switch) -> None:
    switch.is_on = False
    with pytest.raises(RegistryUnavailable, match="it is off"):
        names.versions(PETS)


def test_one_asks_again_after_a_while_and_all_others_are_answered_at_once(
    names: KnownNames, switch: Switch, clock: list[float]
) -> None:
    names.collection(PETS)
    switch.is_on = False
    for _ in range(10):
        names.collection(PETS)
    assert switch.asked == 2
    clock[0] += 100
    for _ in range(10):
        names.collection(PETS)
    assert switch.asked == 3


def test_state_tells_since_when_and_why(names: KnownNames, switch: Switch, clock: list[float]) -> None:
    names.collection(PETS)
    assert names.state() == {"reachable": True}
    switch.is_on = False
    names.collection(PETS)
    assert names.state().keys() == {"reachable", "since", "reason"}
    assert names.state()["reason"] == "it is off"
    switch.is_on = True
    clock[0] += 100
    names.collection(PETS)
    assert names.state() == {"reachable": True}
