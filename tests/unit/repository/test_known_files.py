"""Names on disk, for processes that cannot reach the registry."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artfs.errors import ConfigNotValid, NotFound, RegistryUnavailable
from artfs.model.names import ArtifactName, VersionName
from artfs.registry.database import hurried
from artfs.registry.open import Registry, open_registry
from artfs.repository import known_files
from artfs.repository.known_files import KnownFiles
from artfs.repository.known_names import KnownNames
from tests.contract.registry.writer import BIKE, Writer

LATEST = VersionName(BIKE, "latest")
pytestmark = pytest.mark.expected_logs("the registry is not reachable")


class Away:
    """A registry that nobody reaches."""

    def __getattr__(self, part: str) -> Away:
        return self

    def __call__(self, *arguments: object) -> None:
        raise RegistryUnavailable("there is no network")


class _Going:
    """A registry that is reached until it is away."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.is_away = False

    def __getattr__(self, part: str) -> Any:
        return getattr(Away() if self.is_away else self._registry, part)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    opened = open_registry(f"sqlite:///{tmp_path}/registry.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "known"


@pytest.fixture
def here(registry: Registry, folder: Path) -> KnownNames:
    """A process that reaches the registry."""
    return KnownNames(registry, KnownFiles(folder, "postgresql://host/db"))


class LaterProcesses:
    """Whatever is asked, a new process that does not reach the registry answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getattr__(self, ask: str) -> Any:
        return getattr(KnownNames(Away(), KnownFiles(self._folder, "postgresql://host/db")), ask)  # type: ignore[arg-type]


@pytest.fixture
def away(folder: Path) -> LaterProcesses:
    return LaterProcesses(folder)


def test_a_version_is_found_by_number_and_by_the_aliases_it_had(
    registry: Registry, here: KnownNames, away: LaterProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    record = Writer(registry).log(b"A", aliases=("best",), description="said", metadata={"a": [1, None]}).version
    assert here.version(LATEST) == record
    for selector in ("v0", "latest", "best"):
        assert away.version(VersionName(BIKE, selector)) == record
    told = [line.getMessage() for line in caplog.records]
    assert told[0] == "the registry is not reachable: team/demo/bike:v0 was read before"
    assert told[1].startswith("the registry is not reachable: team/demo/bike:latest is v0, as of 20")


def test_an_alias_means_what_it_meant_when_it_was_last_seen(registry: Registry, here: KnownNames, away: LaterProcesses) -> None:
    writer = Writer(registry)
    writer.log(b"A", aliases=("best",))
    here.version(VersionName(BIKE, "best"))
    writer.log(b"B", aliases=("best",))
    assert away.version(VersionName(BIKE, "best")).label == "v0"
    here.version(LATEST)
    assert away.version(VersionName(BIKE, "best")).label == "v1"
    assert away.version(VersionName(BIKE, "v0")).aliases == ()


def test_what_is_read_without_the_registry_makes_no_alias_seen_anew(registry: Registry, here: KnownNames, folder: Path) -> None:
    Writer(registry).log(b"A", aliases=("best",))
    here.version(LATEST)
    (file,) = folder.rglob("*.json")
    form = json.loads(file.read_bytes())
    form["aliases"] = {alias: [0, "2026-01-02T03:04:05+00:00"] for alias in form["aliases"]}
    file.write_text(json.dumps(form))
    names = KnownNames(Away(), KnownFiles(folder, "postgresql://host/db"))  # type: ignore[arg-type]
    names.opened(names.version(LATEST))
    assert json.loads(file.read_bytes()) == form


def test_what_was_only_listed_is_known_to_others_once_it_is_opened_without_the_registry(
    registry: Registry, folder: Path, away: LaterProcesses
) -> None:
    writer = Writer(registry)
    writer.log(b"A", aliases=("best",))
    gone = _Going(registry)
    names = KnownNames(gone, KnownFiles(folder, "postgresql://host/db"))  # type: ignore[arg-type]
    names.versions(BIKE)
    gone.is_away = True
    names.opened(names.version(VersionName(BIKE, "v0")))
    assert away.version(VersionName(BIKE, "best")).label == "v0"


def test_a_process_looks_once_and_tells_it_once(
    registry: Registry, here: KnownNames, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Writer(registry).log(b"A")
    here.version(LATEST)
    later = KnownNames(Away(), KnownFiles(folder, "postgresql://host/db"))  # type: ignore[arg-type]
    first = later.version(LATEST)
    shutil.rmtree(folder)
    assert later.version(LATEST) == first
    assert len(caplog.records) == 1


def test_what_was_gone_when_it_was_asked_for_last_is_not_known(registry: Registry, here: KnownNames, away: LaterProcesses) -> None:
    record = Writer(registry).log(b"A", aliases=("best",)).version
    here.version(VersionName(BIKE, "best"))
    registry.aliases.remove(BIKE, "best")
    with pytest.raises(NotFound):
        here.version(VersionName(BIKE, "best"))
    with pytest.raises(RegistryUnavailable, match="there is no network"):
        away.version(VersionName(BIKE, "best"))
    assert away.version(VersionName(BIKE, "v0")).id == record.id


def test_what_was_never_asked_for_fails_as_the_registry_does(registry: Registry, here: KnownNames, away: LaterProcesses) -> None:
    Writer(registry).log(b"A")
    asked: list[tuple[str, tuple[Any, ...]]] = [("version", (LATEST,)), ("versions", (BIKE,)), ("collections", ("team", "demo"))]
    for ask, names in asked:
        with pytest.raises(RegistryUnavailable, match="there is no network"):
            getattr(away, ask)(*names)


def test_lists_show_what_was_looked_at(registry: Registry, here: KnownNames, away: LaterProcesses) -> None:
    writer = Writer(registry)
    versions = [writer.log(content).version for content in (b"A", b"B", b"C", b"D")]
    registry.collections.ensure(ArtifactName("team", "demo", "car"), "model")
    assert len(here.versions(BIKE)) == 4
    assert len(here.collections("team", "demo")) == 2
    with pytest.raises(RegistryUnavailable):
        away.versions(BIKE)
    for version in versions[:3]:
        here.opened(version)
    assert [version.label for version in away.versions(BIKE)] == ["v2", "v1", "v0"]
    assert away.newest(BIKE).label == "v2"
    assert [collection.artifact for collection in away.collections("team", "demo")] == [BIKE]
    registry.versions.delete(versions[1].id)
    registry.aliases.set(BIKE, "best", 0)
    here.versions(BIKE)
    assert [(version.label, version.aliases) for version in away.versions(BIKE)] == [("v2", ()), ("v0", ("best",))]


def test_another_registry_at_the_same_address_is_noticed_by_what_a_number_means(
    registry: Registry, here: KnownNames, away: LaterProcesses, folder: Path, tmp_path: Path
) -> None:
    writer = Writer(registry)
    for content in (b"A", b"B"):
        writer.log(content, aliases=("best",))
        here.version(LATEST)
    other = open_registry(f"sqlite:///{tmp_path}/other.sqlite")
    Writer(other).log(b"C")
    record = KnownNames(other, KnownFiles(folder, "postgresql://host/db")).version(LATEST)
    assert away.versions(BIKE) == [record]
    other.close()


def test_files_of_another_user_are_nothing(registry: Registry, here: KnownNames, away: LaterProcesses, folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    Writer(registry).log(b"A")
    here.version(LATEST)
    (file,) = folder.rglob("*.json")
    os.chown(file, 12345, 12345)
    with pytest.raises(RegistryUnavailable):
        away.version(LATEST)


def test_registries_do_not_share_what_is_known(registry: Registry, here: KnownNames, folder: Path) -> None:
    Writer(registry).log(b"A")
    here.version(LATEST)
    assert not KnownFiles(folder, "postgresql://host/another").are_there
    assert KnownFiles(folder, "postgresql://host/db").are_there


def test_what_is_kept_of_an_artifact_and_of_all_has_a_limit(
    registry: Registry, here: KnownNames, away: LaterProcesses, folder: Path
) -> None:
    writer = Writer(registry)
    for step in range(known_files._MOST_VERSIONS + 5):
        writer.log(b"%d" % step)
        here.version(LATEST)
    assert len(away.versions(BIKE)) == known_files._MOST_VERSIONS
    with pytest.raises(RegistryUnavailable):
        away.version(VersionName(BIKE, "v0"))


def test_of_many_artifacts_those_looked_at_last_are_kept(registry: Registry, folder: Path) -> None:
    files = KnownFiles(folder, "x")
    names = [ArtifactName("team", "demo", f"a{number}") for number in range(known_files._MOST_ARTIFACTS + 3)]
    collection = registry.collections.ensure(BIKE, "dataset")
    for name in names:
        files.keep_collection(replace(collection, artifact=name))
    assert len(list(folder.rglob("*.json"))) == known_files._MOST_ARTIFACTS
    assert files.collection(names[-1]) is not None


def test_what_is_too_large_to_be_kept_makes_room_for_what_was_seen_last(
    registry: Registry, here: KnownNames, away: LaterProcesses, folder: Path
) -> None:
    writer = Writer(registry)
    for number, size in enumerate((1, 20_000, known_files._MOST_BYTES - 10_000)):
        writer.log(b"%d" % number, metadata={"large": "x" * size})
        here.version(LATEST)
    assert [version.label for version in away.versions(BIKE)] == ["v2"]
    writer.log(b"last", metadata={"large": "x" * (known_files._MOST_BYTES + 1)})
    assert here.version(LATEST).label == "v3"
    with pytest.raises(RegistryUnavailable):
        away.version(LATEST)
    assert max(path.stat().st_size for path in folder.rglob("*.json")) <= known_files._MOST_BYTES


def test_damaged_files_are_nothing(registry: Registry, here: KnownNames, away: LaterProcesses, folder: Path) -> None:
    Writer(registry).log(b"A", aliases=("best",))
    here.version(LATEST)
    (file,) = folder.rglob("*.json")
    whole = json.loads(file.read_bytes())
    version = whole["versions"][0]
    damaged = [b"", b"\xff", b"[]", b"[" * 100_000, b"{}", file.read_bytes()[:-1], b"x" * (known_files._MOST_BYTES + 1)]
    now = version["created_at"]
    changes: list[Any] = [
        *[{"format": 2}, {"versions": {}}, {"versions": [1]}, {"collection": 7}, {"aliases": []}, {"aliases": {"latest": 1}}],
        *[{"artifact": names} for names in (["team", "demo"], ["team", "demo", "../x"], ["team", "demo", "car"])],
        *[{"aliases": seen} for seen in ({"v3": [0, now]}, {"latest": [-1, now]}, {"latest": [0, "yesterday"]})],
        {"aliases": {"latest": [0, "0001-01-01T00:00:00+05:00"]}},
    ]
    damaged += [json.dumps({**whole, **change}).encode() for change in changes]
    for name, value in [
        ("id", -1),
        ("number", "3"),
        ("size", 1 << 70),
        ("digest", "ab"),
        ("digest", "zz" * 32),
        ("manifest", "00"),
    ]:
        damaged.append(json.dumps({**whole, "versions": [{**version, name: value}]}).encode())
    for name in version.keys() - {"description"}:
        damaged.append(json.dumps({**whole, "versions": [{key: each for key, each in version.items() if key != name}]}).encode())
    for data in damaged:
        file.write_bytes(data)
        with pytest.raises(RegistryUnavailable):
            away.version(LATEST)
    KnownNames(registry, KnownFiles(folder, "postgresql://host/db")).version(LATEST)
    assert away.version(LATEST).label == "v0"


def test_a_folder_that_takes_nothing_is_no_failure(registry: Registry, tmp_path: Path) -> None:
    Writer(registry).log(b"A")
    (tmp_path / "file").write_text("in the way")
    assert KnownNames(registry, KnownFiles(tmp_path / "file", "x")).version(LATEST).label == "v0"


@pytest.mark.without_rights
@pytest.mark.expected_logs("cannot be remembered")
@pytest.mark.parametrize("mode", [0, 0o500])
def test_a_folder_of_another_user_is_told_once_and_no_failure(
    registry: Registry, here: KnownNames, folder: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    Writer(registry).log(b"A")
    (folder / "of another registry").mkdir(parents=True)
    folder.chmod(mode)
    try:
        for found in (here.version(LATEST), here.versions(BIKE)[0], here.newest(BIKE)):
            assert found is not None
            here.opened(found)
    finally:
        folder.chmod(0o700)
    (told,) = [line.getMessage() for line in caplog.records if line.levelname == "WARNING"]
    assert f'make it yours again (sudo chown -R "$USER" {folder})' in told


def test_a_registry_that_is_away_is_opened_and_used_when_it_is_back(tmp_path: Path) -> None:
    url = "postgresql://artfs@127.0.0.1:1/nothing"
    with hurried(1), pytest.raises(RegistryUnavailable):
        open_registry(url)
    registry = open_registry(url, at_once=False)
    with pytest.raises(RegistryUnavailable, match="check that the server runs"):
        registry.versions.list(BIKE)
    registry.close()


def test_what_opening_did_not_do_is_done_before_the_first_transaction(tmp_path: Path) -> None:
    registry = open_registry(f"sqlite:///{tmp_path}/registry.sqlite", at_once=False)
    assert registry.collections.list("team", "demo") == []
    registry.close()


def test_an_older_schema_is_refused_by_the_first_transaction_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    open_registry(url).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "registry.sqlite")) as connection, connection:
        connection.execute("UPDATE artfs_schema SET version = 1")
    registry = open_registry(url, at_once=False)
    for _ in range(2):
        with pytest.raises(ConfigNotValid, match="artfs upgrade"):
            registry.collections.list("team", "demo")
    registry.close()
