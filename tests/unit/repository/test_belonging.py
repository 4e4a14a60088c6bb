"""A mount is refused whose object store is another registry's, and no other one."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artfs.config import Config, load_config
from artfs.errors import ConfigNotValid, RegistryUnavailable, StoreUnavailable
from artfs.objectstore.memory import MemoryStore
from artfs.registry.open import open_registry
from artfs.repository.belonging import refuse_foreign_store
from artfs.repository.binding import ensure_bound
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository


class FarStore:
    """One in memory that says that it is elsewhere, and answers as the test tells it to."""

    is_remote = True

    def __init__(self) -> None:
        self._inner = MemoryStore()
        self.asked = 0
        self.fail: Any = lambda: None

    def __getattr__(self, verb: str) -> Any:
        def ask(*arguments: Any) -> Any:
            self.asked += 1
            self.fail()
            return getattr(self._inner, verb)(*arguments)

        return ask


def settings(tmp_path: Path, registry: str = "one") -> Config:
    stores = {"ARTFS_REGISTRY": f"sqlite:///{tmp_path}/{registry}.sqlite", "ARTFS_OBJECTS": "s3://bucket/shared"}
    return load_config({}, {"ARTFS_HOME": str(tmp_path / "home"), **stores})


def open_over(config: Config, objects: Any) -> Repository:
    return assemble_repository(config, open_registry(config.registry), objects)


@pytest.fixture
def store(tmp_path: Path) -> FarStore:
    """That of the registry `one`."""
    store = FarStore()
    with open_over(settings(tmp_path), store) as repository:
        ensure_bound(repository)
    store.asked = 0
    return store


def test_a_store_that_is_the_registrys_is_asked_once_on_a_machine(tmp_path: Path, store: FarStore) -> None:
    for _ in range(3):
        with open_over(settings(tmp_path), store) as repository:
            refuse_foreign_store(repository)
    assert store.asked == 1


def test_the_store_of_another_registry_is_refused_each_time(tmp_path: Path, store: FarStore) -> None:
    for _ in range(2):
        refused = pytest.raises(ConfigNotValid, match="belongs to another registry")
        with open_over(settings(tmp_path, "two"), store) as repository, refused:
            refuse_foreign_store(repository)


def test_another_registry_at_the_same_address_is_looked_at_anew(tmp_path: Path, store: FarStore) -> None:
    with open_over(settings(tmp_path), store) as repository:
        refuse_foreign_store(repository)
    for file in tmp_path.glob("one.sqlite*"):
        file.unlink()
    with open_over(settings(tmp_path), store) as repository, pytest.raises(ConfigNotValid, match="belongs to another registry"):
        refuse_foreign_store(repository)


def test_a_store_that_is_away_or_silent_refuses_nothing(tmp_path: Path, store: FarStore) -> None:
    def be_away() -> None:
        raise StoreUnavailable("it cannot be reached")

    silence = threading.Event()
    with open_over(settings(tmp_path, "two"), store) as repository:
        store.fail = be_away
        refuse_foreign_store(repository)
        store.fail = silence.wait
        refuse_foreign_store(repository, patience_s=0.05)
        silence.set()
    assert store.asked == 2


class _Away:
    def get(self) -> Any:
        raise RegistryUnavailable("it did not answer")


def test_a_registry_that_is_away_refuses_nothing(tmp_path: Path, store: FarStore) -> None:
    config = settings(tmp_path)
    away: Any = _Away()
    objects: Any = store
    with assemble_repository(config, replace(open_registry(config.registry), identity=away), objects) as repository:
        refuse_foreign_store(repository)
    assert store.asked == 0


def test_a_store_of_nobody_is_not_refused(tmp_path: Path) -> None:
    with open_over(settings(tmp_path), FarStore()) as repository:
        refuse_foreign_store(repository)
