"""`artfs get` and `artfs cat`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Artfs
from tests.conftest import MakeDataset


def tree(root: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def test_get_writes_what_was_put_and_prints_where(pets: Artfs, tmp_path: Path) -> None:
    outcome = pets("get", "pets:v1", tmp_path / "copy")
    assert outcome.out == f"{tmp_path / 'copy'}\n"
    assert tree(tmp_path / "copy") == tree(tmp_path / "second")


def test_get_without_destination_goes_to_artifacts(pets: Artfs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pets("get", "pets").out == "artifacts/pets:v1\n"
    assert tree(Path("artifacts/pets:v1")) == tree(Path("second"))


def test_get_leaves_foreign_files_and_what_is_right_alone(pets: Artfs, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    pets("get", "pets:v1", copy)
    (copy / "mine").write_text("mine")
    (copy / "readme.txt").write_text("spoilt")
    untouched = (copy / "images/cat.bin").stat()
    pets("get", "pets:v1", copy)
    assert (copy / "mine").read_text() == "mine"
    assert (copy / "readme.txt").read_text() == "three pets\n"
    assert (copy / "images/cat.bin").stat().st_ino == untouched.st_ino


def test_get_of_a_directory_writes_it_under_its_path(pets: Artfs, tmp_path: Path) -> None:
    pets("get", "pets:old/images", tmp_path / "copy")
    assert sorted(path for path, data in tree(tmp_path / "copy").items() if data is not None) == [
        "images/cat.bin",
        "images/dog.bin",
    ]


def test_get_of_a_file_goes_to_the_name_that_was_given(pets: Artfs, tmp_path: Path) -> None:
    outcome = pets("get", "pets:old/images/dog.bin", tmp_path / "new" / "rex.bin")
    assert outcome.out == f"{tmp_path / 'new' / 'rex.bin'}\n"
    assert (tmp_path / "new" / "rex.bin").read_bytes() == b"wuff" * 500
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["rex.bin"]


def test_get_of_a_file_goes_into_a_folder_that_is_there(pets: Artfs, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert pets("get", "pets:old/images/dog.bin", tmp_path / "there").out == f"{tmp_path / 'there' / 'dog.bin'}\n"


def test_get_records_the_run_as_consumer_once(pets: Artfs, tmp_path: Path) -> None:
    for _ in range(2):
        pets("get", "pets:v0", tmp_path / "copy", "--run", "train-1")
    assert [run["id"] for run in pets("show", "pets:v0", "--json").json["consumers"]] == ["train-1"]


def test_get_of_what_is_not_there_names_what_is(pets: Artfs, tmp_path: Path) -> None:
    for wanted, hint in (
        ("dogs", "pets"),
        ("pets:v9", "v1"),
        ("pets:worst", "best"),
        ("pets:v1/images/fish.bin", "artfs ls -R pets:v1"),
    ):
        outcome = pets.fails("get", wanted, tmp_path / "copy")
        assert outcome.code == 3
        assert hint in outcome.err
    assert not (tmp_path / "copy").exists()


def test_get_to_where_nothing_can_be_written_names_it(pets: Artfs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for destination in (tmp_path / "file", Path("/proc/nowhere")):
        outcome = pets.fails("get", "pets", destination)
        assert outcome.code == 2
        assert str(destination) in outcome.err


def test_cat_writes_files_one_after_the_other(pets: Artfs) -> None:
    assert pets("cat", "pets:v0/readme.txt", "pets:best/readme.txt").out == "two pets\nthree pets\n"


def test_cat_of_a_directory_or_a_version_says_what_to_do(pets: Artfs) -> None:
    for wanted in ("pets:v0/images", "pets:v0", "pets"):
        outcome = pets.fails("cat", wanted)
        assert outcome.code == 2
        assert "name a file" in outcome.err


def test_a_path_without_a_version_says_how_it_is_written(pets: Artfs) -> None:
    for command, code in (("cat", 2), ("ls", 3), ("get", 3)):
        outcome = pets.fails(command, "pets/images/cat.bin")
        assert outcome.code == code
        assert "pets:latest/images/cat.bin" in outcome.err


def test_cat_of_a_missing_path_is_not_found(pets: Artfs) -> None:
    assert pets.fails("cat", "pets:v0/nothing").code == 3


def test_cat_of_damaged_content_is_an_integrity_error(artfs: Artfs, dataset: MakeDataset, tmp_path: Path) -> None:
    artfs("put", dataset({"big": os.urandom(1_000_000)}), "pets")
    for pack in (tmp_path / "artfs-home/data/objects").rglob("packs/**/*"):
        if pack.is_file() and pack.stat().st_size > 10_000:
            pack.chmod(0o644)
            data = bytearray(pack.read_bytes())
            data[5000] ^= 1
            pack.write_bytes(data)
    assert artfs.run("cat", "pets:v0/big").code == 5
    assert artfs.run("verify").code == 0
    outcome = artfs.run("verify", "--read-data", "--json")
    assert outcome.code == 5
    assert outcome.json["sound"] is False
    assert outcome.json["problems"][0]["paths"] == ["big"]
    assert "needed by tester/default/pets:v0" in artfs.run("verify", "--read-data").out
