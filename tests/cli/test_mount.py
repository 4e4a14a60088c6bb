"""`artfs mount`, `umount`, `stage` and `commit`, on a real mount."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Artfs


@pytest.fixture
def mountpoint(pets: Artfs, tmp_path: Path) -> Iterator[Path]:
    """The project of `pets`, mounted."""
    folder = tmp_path / "mnt"
    folder.mkdir()
    assert pets("mount", folder).out == f"{folder}\n"
    try:
        yield folder
    finally:
        if folder.is_mount():
            pets("umount", folder)


def test_a_mount_answers_and_goes_away(pets: Artfs, mountpoint: Path) -> None:
    assert (mountpoint / "pets/v0/readme.txt").read_text() == "two pets\n"
    (mount,) = pets("status", "--json").json["mounts"]
    assert set(mount) == {"mountpoint", "target", "pid", "read_only", "run", "log"}
    assert mount["mountpoint"] == str(mountpoint)
    assert pets("umount", mountpoint).out == ""
    assert not mountpoint.is_mount()
    assert pets("status", "--json").json["mounts"] == []


def test_a_mount_over_the_store_of_another_registry_is_refused(pets: Artfs, tmp_path: Path) -> None:
    (tmp_path / "mnt").mkdir()
    refused = pets.fails("mount", tmp_path / "mnt", env={"ARTFS_REGISTRY": f"sqlite:///{tmp_path}/another.sqlite"})
    assert refused.code == 2
    assert "belongs to another registry" in refused.err
    assert "set ARTFS_OBJECTS" in refused.err
    assert not (tmp_path / "mnt").is_mount()


def test_one_version_can_be_mounted(pets: Artfs, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    pets("mount", tmp_path / "one", "pets:old")
    try:
        assert (tmp_path / "one/readme.txt").read_text() == "two pets\n"
    finally:
        pets("umount", tmp_path / "one")


def test_a_mount_of_one_artifact_stages_and_commits(pets: Artfs, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    pets("mount", tmp_path / "one", "pets")
    try:
        path = Path(pets("stage", "pets", "--from", "latest").out.strip())
        assert path == tmp_path / "one/staging/edit-1"
        (path / "new.txt").write_text("new")
        assert pets("commit", path).out == "pets:v2\n"
    finally:
        pets("umount", tmp_path / "one")


def test_stage_prints_the_path_of_a_staging_directory_over_a_version(pets: Artfs, mountpoint: Path) -> None:
    path = pets("stage", "pets", "--from", "old", "--name", "edit").out.strip()
    assert path == str(mountpoint / "pets/staging/edit")
    assert (Path(path) / "images/dog.bin").read_bytes() == b"wuff" * 500
    assert pets("status", "--json").json["staging"] == ["tester/default/pets/edit"]


def test_stage_finds_a_name_of_its_own(pets: Artfs, mountpoint: Path) -> None:
    names = [Path(pets("stage", "pets").out.strip()).name for _ in range(2)]
    assert names == ["edit-1", "edit-2"]
    assert pets.fails("stage", "pets", "--name", "edit-1").code == 4


def test_commit_makes_the_next_version_with_what_it_is_told(pets: Artfs, mountpoint: Path) -> None:
    path = Path(pets("stage", "pets", "--from", "pets:latest").out.strip())
    (path / "readme.txt").write_text("four pets\n")
    assert pets("commit", path, "-a", "four", "-a", "more", "-d", "with a fish", "-m", "count=4").out == "pets:v2\n"
    shown = pets("show", "pets:more", "--json").json
    assert (shown["version"], shown["aliases"]) == ("v2", ["four", "latest", "more"])
    assert (shown["description"], shown["metadata"]) == ("with a fish", {"count": 4})
    assert (mountpoint / "pets/latest/readme.txt").read_text() == "four pets\n"
    assert not path.exists()


def test_commit_without_an_alias_moves_latest(pets: Artfs, mountpoint: Path) -> None:
    path = Path(pets("stage", "pets", "--from", "v0").out.strip())
    (path / "new.txt").write_text("new")
    assert pets("commit", path).out == "pets:v2\n"
    assert pets("show", "pets:latest", "--json").json["version"] == "v2"


def test_commit_of_what_is_a_version_already_prints_that_version(pets: Artfs, mountpoint: Path) -> None:
    path = pets("stage", "pets", "--from", "v0").out.strip()
    assert pets("commit", path).out == "pets:v0\n"


def test_commit_adds_to_the_options_that_are_there(pets: Artfs, mountpoint: Path) -> None:
    path = Path(pets("stage", "pets", "--name", "fresh").out.strip())
    (path / "a").write_text("a")
    path.with_name("fresh.json").write_text('{"description": "by hand", "metadata": {"a": 1, "b": 1}}')
    pets("commit", path, "-m", "b=2")
    shown = pets("show", "pets", "--json").json
    assert (shown["description"], shown["metadata"]) == ("by hand", {"a": 1, "b": 2})


def test_a_new_artifact_can_be_staged_with_its_type(pets: Artfs, mountpoint: Path) -> None:
    path = Path(pets("stage", "net", "--type", "model").out.strip())
    (path / "weights").write_bytes(b"123")
    committed = pets("commit", path, "--json").json
    assert (committed["name"], committed["created"], committed["file_count"]) == ("net:v0", True, 1)
    assert pets("show", "net", "--json").json["type"] == "model"


def test_a_commit_that_fails_says_why_and_leaves_staging_as_it_was(pets: Artfs, mountpoint: Path) -> None:
    path = Path(pets("stage", "pets", "--name", "open").out.strip())
    with (path / "a").open("w") as file:
        file.write("half")
        file.flush()
        outcome = pets.fails("commit", path, "-d", "too early")
        assert outcome.code == 4
        assert str(path) in outcome.err
        assert not path.with_name("open.json").exists()
    assert (path / "a").read_text() == "half"
    assert pets("commit", path).out == "pets:v2\n"


def test_a_commit_that_fails_tells_scripts_what_kind_of_failure_it_was(pets: Artfs, mountpoint: Path) -> None:
    path = Path(pets("stage", "pets", "--name", "new").out.strip())
    (path / "a").write_text("whole")
    registry = pets("status", "--json").json["registry"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(registry, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE leases RENAME TO elsewhere")
        # The mount can say EIO alone, which is the code of damaged bytes.
        assert pets.fails("commit", path).code == 70
        connection.execute("ALTER TABLE elsewhere RENAME TO leases")
    assert pets("commit", path).out == "pets:v2\n"


def test_commit_of_what_is_no_staging_directory_is_a_mistake(pets: Artfs, mountpoint: Path, tmp_path: Path) -> None:
    for path in (tmp_path, mountpoint / "pets/v0", mountpoint / "pets/staging/nothing", mountpoint / "pets/staging"):
        assert pets.fails("commit", path).code == 2


def test_stage_without_a_mount_says_to_mount(pets: Artfs) -> None:
    outcome = pets.fails("stage", "pets")
    assert outcome.code == 2
    assert "artfs mount" in outcome.err
    assert pets("status", "--json").json["staging"] == []


def test_stage_refuses_what_cannot_be(pets: Artfs, mountpoint: Path) -> None:
    assert pets.fails("stage", "pets", "--from", "v9").code == 3
    assert pets.fails("stage", "pets", "--from", "dogs:v0").code == 2
    assert pets.fails("stage", "pets", "--type", "model").code == 2
    assert pets.fails("stage", "pets", "--name", "a/b").code == 2
    assert pets.fails("stage", "dogs", "--from", "latest").code == 3


def test_staging_through_a_read_only_mount_is_refused(pets: Artfs, tmp_path: Path) -> None:
    (tmp_path / "ro").mkdir()
    pets("mount", tmp_path / "ro", "--read-only")
    try:
        assert pets.fails("stage", "pets").code == 2
    finally:
        pets("umount", tmp_path / "ro")


def test_what_a_mount_with_a_run_shows_is_recorded(pets: Artfs, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    pets("mount", tmp_path / "run", "--run", "train-7")
    try:
        assert (tmp_path / "run/pets/old/readme.txt").read_text()
    finally:
        pets("umount", tmp_path / "run")
    assert [run["id"] for run in pets("show", "pets:v0", "--json").json["consumers"]] == ["train-7"]


def test_a_mount_that_cannot_be_is_refused_with_the_reason(pets: Artfs, mountpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    (tmp_path / "free").mkdir()
    for arguments, code in (
        ([tmp_path / "missing"], 2),
        ([tmp_path / "full"], 2),
        ([tmp_path / "full/file"], 2),
        ([mountpoint], 4),
        ([tmp_path / "free", "dogs"], 3),
        ([tmp_path / "free", "pets:v9"], 3),
        ([tmp_path / "free", "pe ts"], 2),
    ):
        outcome = pets.fails("mount", *arguments)
        assert outcome.code == code, outcome.err
    assert not (tmp_path / "free").is_mount()


def test_umount_of_what_is_not_mounted_is_not_found(pets: Artfs, tmp_path: Path) -> None:
    assert pets.fails("umount", tmp_path).code == 3


def test_umount_of_a_mount_in_use_is_refused(pets: Artfs, mountpoint: Path) -> None:
    with (mountpoint / "pets/v0/readme.txt").open():
        assert pets.fails("umount", mountpoint).code == 4
    assert mountpoint.is_mount()
