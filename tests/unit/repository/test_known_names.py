"""Names that are remembered for the time in which the registry does not answer."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from artfs.errors import NotFound, RegistryUnavailable
from artfs.model.names import ArtifactName, VersionName
from artfs.registry.open import Registry, open_registry
from artfs.repository.known_names import KnownNames
from tests.contract.registry.writer import Writer

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
        self.lineage: Any = SimpleNamespace(
            producers=self._passing("lineage", "producers"), consumers=self._passing("lineage", "consumers")
        )

    def now(self) -> None:
        self.asked += 1
        if not self.is_on:
            raise RegistryUnavailable("it is off")

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
    return KnownNames(switch, clock=lambda: clock[0])  # type: ignore[arg-type]


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


def test_runs_are_not_known_while_nobody_can_be_asked(names: KnownNames, switch: Switch) -> None:
    version = Writer(switch._registry, PETS).log(b"A").version
    assert names.runs(version) == ([], [])
    switch.is_on = False
    assert names.runs(version) is None


class Followed(Switch):
    """The same, with changes that the test makes up."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)
        self.on_change: Any = None
        self.is_live = True
        self.changes: Any = SimpleNamespace(listen=self._listen)
        self.aliases: Any = SimpleNamespace(list=registry.aliases.list)

    def _listen(self, on_change: Any) -> Any:
        self.on_change = on_change
        return self

    def close(self) -> None:
        self.is_live = False


@pytest.fixture
def followed(switch: Switch) -> Followed:
    return Followed(switch._registry)


@pytest.fixture
def moved() -> queue.SimpleQueue[Any]:
    return queue.SimpleQueue()


@pytest.fixture
def following(followed: Followed, moved: queue.SimpleQueue[Any], clock: list[float]) -> Iterator[KnownNames]:
    names = KnownNames(followed, clock=lambda: clock[0])  # type: ignore[arg-type]
    names.follow(lambda artifact, selectors: moved.put((artifact, sorted(selectors))))
    yield names
    names.close()


def test_nobody_is_asked_twice_while_nothing_changes(following: KnownNames, followed: Followed) -> None:
    missing = VersionName(PETS, "best")
    for _ in range(5):
        assert following.collection(PETS) is not None
        assert following.collections("tester", "default")
        assert following.versions(PETS) == []
        with pytest.raises(NotFound):
            following.version(missing)
    assert followed.asked == 4
    followed.is_live = False  # what others change is not heard any more
    following.collection(PETS)
    following.collection(PETS)
    assert followed.asked == 6


def test_what_changed_is_asked_for_again_and_what_did_not_is_not(following: KnownNames, followed: Followed) -> None:
    following.collection(PETS)
    following.collections("tester", "default")
    followed.on_change(ArtifactName("tester", "default", "cars"))
    following.collection(PETS)
    assert followed.asked == 2
    following.collections("tester", "default")
    assert followed.asked == 3
    for artifact in (PETS, None):
        asked = followed.asked
        followed.on_change(artifact)
        following.collection(PETS)
        following.collection(PETS)
        assert followed.asked == asked + 1


def test_an_answer_that_was_on_its_way_during_a_change_is_not_believed_again(following: KnownNames, followed: Followed) -> None:
    ask = followed.collections.find

    def find(artifact: ArtifactName) -> Any:
        found = ask(artifact)
        followed.on_change(PETS)
        return found

    followed.collections.find = find
    following.collection(PETS)
    followed.collections.find = ask
    following.collection(PETS)
    assert followed.asked == 2
    following.collection(PETS)
    assert followed.asked == 2


def test_only_names_that_moved_are_told(following: KnownNames, followed: Followed, moved: queue.SimpleQueue[Any]) -> None:
    registry = followed._registry
    writer = Writer(registry, PETS)
    writer.log(b"A", aliases=("best", "other"))
    for selector in ("v0", "latest", "best", "other"):
        following.version(VersionName(PETS, selector))
    for selector in ("v1", "v2", "none"):
        with pytest.raises(NotFound):
            following.version(VersionName(PETS, selector))
    writer.log(b"B", aliases=("best",))
    registry.aliases.remove(PETS, "other")
    followed.on_change(PETS)
    # Names of versions that may be there now are told without asking: the kernel knows only that they were not there.
    assert moved.get(timeout=20) == (PETS, ["best", "latest", "other", "v1", "v2"])


def test_who_follows_asks_after_a_minute_all_the_same(following: KnownNames, followed: Followed, clock: list[float]) -> None:
    for now, asked in [(0, 1), (59, 1), (61, 2), (119, 2)]:
        clock[0] = now
        following.collection(PETS)
        assert followed.asked == asked


def test_state_is_looked_up_when_nothing_is_heard(following: KnownNames, followed: Followed) -> None:
    followed.is_on = False
    assert following.state() == {"reachable": True}
    assert followed.asked == 0, "what is heard is there"
    followed.is_live = False
    assert following.state()["reason"] == "it is off"


def test_who_follows_asks_again_when_the_registry_is_heard_again(
    following: KnownNames, followed: Followed, clock: list[float]
) -> None:
    following.collection(PETS)
    followed.is_on = followed.is_live = False
    for clock[0] in (0.0, 10.0, 20.0):
        following.collection(PETS)
    assert followed.asked == 2
    followed.is_on = followed.is_live = True
    followed.on_change(None)
    following.collection(PETS)
    assert followed.asked == 3
    assert following.state() == {"reachable": True}
