"""The registry in a SQLite file: the file itself, and what happens when it is locked, damaged, full or somebody else's."""

from __future__ import annotations

import itertools
import os
import random
import re
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.errors import AccessDenied, ArtfsError, ConfigNotValid, IntegrityError, RegistryUnavailable, StoreFull
from artfs.registry.open import Registry, open_registry
from tests.contract.registry.writer import BIKE, Writer
from tests.rights import small_disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry" / "registry.sqlite"


@pytest.fixture
def registry(path: Path) -> Iterator[Registry]:
    opened = open_registry(f"sqlite:///{path}", patience_s=0.2)
    yield opened
    opened.close()


def test_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "registry.sqlite"
    open_registry(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_mode_of_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    open_registry(f"sqlite:///{tmp_path}/registry.sqlite").close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


@pytest.mark.parametrize("name", ["a b", "what?", "50%20", "#1", "ünï", "x&mode=ro", "'quoted'"])
def test_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    open_registry(f"sqlite:///{tmp_path}/{name}/registry.sqlite").close()
    assert (tmp_path / name / "registry.sqlite").is_file()


def test_commits_are_synchronised_to_disk_and_readers_do_not_wait(registry: Registry, path: Path) -> None:
    def pragmas(connection: object) -> list[object]:
        execute = connection.exec_driver_sql  # type: ignore[attr-defined]
        return [execute(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]

    assert registry._database.read(pragmas) == ["wal", 2, 1]
    assert registry._database.write(pragmas) == ["wal", 2, 1]


def test_writing_transaction_has_the_write_lock_from_its_begin(registry: Registry, path: Path) -> None:
    def others_may_write(_connection: object) -> bool:
        other = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        finally:
            other.close()
        return True

    assert registry._database.read(others_may_write)
    assert not registry._database.write(others_may_write)


def test_locked_file_is_unavailable_to_writers_and_open_to_readers(registry: Registry, path: Path) -> None:
    writer = Writer(registry)
    writer.log(b"A")
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RegistryUnavailable, match=r"registry\.sqlite has been locked by another process"):
            registry.collections.ensure(BIKE, "model")
        assert writer.resolve("latest").label == "v0"
        other.execute("ROLLBACK")
    other.close()
    assert writer.log(b"B").version.label == "v1"


def test_what_another_process_commits_is_seen_at_once(registry: Registry, path: Path) -> None:
    other = open_registry(f"sqlite:///{path}")
    Writer(other).log(b"A")
    assert Writer(registry).resolve("latest").label == "v0"
    Writer(other).log(b"B")
    assert Writer(registry).resolve("latest").label == "v1"
    other.close()


def test_file_that_is_no_database_is_damaged(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database" * 1000)
    with pytest.raises(IntegrityError, match=r"registry\.sqlite is damaged .*: restore it from a backup"):
        open_registry(f"sqlite:///{path}")


def test_damage_anywhere_is_an_error_of_artfs_or_harmless(path: Path) -> None:
    opened = open_registry(f"sqlite:///{path}")
    writer = Writer(opened)
    for number in range(40):
        writer.log(b"%d" % number, description="text " * 20, metadata={"number": number})
    opened.close()
    whole = path.read_bytes()
    assert not path.with_name("registry.sqlite-wal").exists()
    chance = random.Random(7)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        start = chance.randrange(100, len(whole))
        length = chance.choice((1, 20, 4096))
        damaged[start : start + length] = chance.randbytes(len(damaged[start : start + length]))
        path.write_bytes(damaged)
        try:
            look_at_everything(path)
        except ArtfsError:
            refused += 1
    assert refused > 5


def look_at_everything(path: Path) -> None:
    registry = open_registry(f"sqlite:///{path}", patience_s=0.1)
    try:
        for version in registry.versions.iter_live():
            registry.versions.needed_packs(version.id)
        list(registry.packs.iter_all())
        registry.aliases.list(BIKE)
        registry.leases.list_active()
        Writer(registry).log(b"new")
    finally:
        registry.close()


def test_truncated_file_is_damaged(path: Path) -> None:
    opened = open_registry(f"sqlite:///{path}")
    Writer(opened).log(b"A")
    opened.close()
    with path.open("r+b") as file:
        file.truncate(3 * 4096)
    with pytest.raises(IntegrityError, match="damaged"):
        look_at_everything(path)


def test_row_that_artfs_cannot_have_written_is_damage(registry: Registry, path: Path) -> None:
    Writer(registry).log(b"A")
    for change in (
        "metadata = '{'",
        "metadata = '[]'",
        "created_at = 'yesterday'",
        "manifest = x'00'",
        "description = CAST(x'ff' AS TEXT)",
    ):
        with sqlite3.connect(path) as other:
            other.execute("CREATE TEMP TABLE kept AS SELECT * FROM versions")
            other.execute(f"UPDATE versions SET {change}")
        with pytest.raises(IntegrityError):
            Writer(registry).resolve("v0")
        with other:
            other.execute("PRAGMA foreign_keys = OFF")
            other.execute("REPLACE INTO versions SELECT * FROM kept")
        other.close()
    assert Writer(registry).resolve("v0").label == "v0"


def test_file_in_the_place_of_the_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RegistryUnavailable, match="folder of the registry"):
        open_registry(f"sqlite:///{tmp_path}/file/registry.sqlite")


def test_folder_in_the_place_of_the_file_is_unavailable(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(RegistryUnavailable, match="cannot be opened or read"):
        open_registry(f"sqlite:///{path}")


@pytest.mark.without_rights
def test_file_that_may_not_be_written_is_unavailable(registry: Registry, path: Path) -> None:
    registry.close()
    path.chmod(0o400)
    with pytest.raises(AccessDenied, match="check the permissions"):
        Writer(registry).log(b"A")


@pytest.mark.mounts
def test_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        registry = open_registry(f"sqlite:///{disk}/registry.sqlite")
        writer = Writer(registry)
        committed: list[int] = []
        with pytest.raises(StoreFull, match=r"no space is left for the registry .*: free some"):
            committed.extend(writer.log(b"%d" % number, description="x" * 20_000).version.number for number in itertools.count())
        assert len(committed) > 3
        assert [version.number for version in registry.versions.list(BIKE)] == committed[::-1]
        registry.close()


@pytest.mark.mounts
def test_read_only_file_system_is_told_and_not_taken_for_a_full_one(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        registry = open_registry(f"sqlite:///{disk}/registry.sqlite")
        Writer(registry).log(b"A")
        registry.close()
        (disk / "filler").write_bytes(bytes(os.statvfs(disk).f_bavail * 4096 - 100_000))
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(RegistryUnavailable, match="is on a read-only file system"):
            open_registry(f"sqlite:///{disk}/registry.sqlite")


def test_database_of_another_program_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE runs (mlflow TEXT)")
    other.close()
    with pytest.raises(ConfigNotValid, match="table 'runs' of another program"):
        open_registry(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:"])
def test_registry_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ConfigNotValid, match="names no file"):
        open_registry(url)


@pytest.mark.parametrize(
    "url", ["", "registry.sqlite", "mysql://host/db", "sqlite://", "http://host", "://", "postgresql+asyncpg://h/d"]
)
def test_address_that_is_no_registry_is_refused(url: str) -> None:
    with pytest.raises(ConfigNotValid, match="postgresql://USER@HOST/DATABASE"):
        open_registry(url)


def test_password_is_never_shown() -> None:
    with pytest.raises(RegistryUnavailable, match=r"postgresql://me:\*\*\*@127\.0\.0\.1:1/artfs did not answer") as caught:
        open_registry("postgresql://me:hunter2@127.0.0.1:1/artfs", patience_s=1)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://me:hunter2@host:port/artfs", "address 'postgresql://…@host:port/artfs' is no URL"),
        ("postgresql://me:hunter2@host/artfs?colour=red", 'an option that cannot be used: invalid connection option "colour"'),
        ("postgresql://me:hunter2@host/artfs?connect_timeout=soon", "a connect_timeout that is no whole number"),
    ],
)
def test_address_that_is_wrong_in_part_is_shown_without_its_password(address: str, told: str) -> None:
    with pytest.raises(ConfigNotValid, match=re.escape(told)) as caught:
        open_registry(address)
    assert "hunter2" not in str(caught.value)


def test_closed_registry_opens_itself_again(registry: Registry) -> None:
    Writer(registry).log(b"A")
    registry.close()
    registry.close()
    assert Writer(registry).resolve("v0").label == "v0"
