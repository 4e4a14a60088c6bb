"""`artfs put`."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.conftest import Artfs
from tests.conftest import MakeDataset


def test_put_prints_the_version_and_nothing_else(artfs: Artfs, dataset: MakeDataset) -> None:
    outcome = artfs("put", dataset(), "pets")
    assert outcome.out == "pets:v0\n"
    assert outcome.err == ""


def test_put_prints_the_name_as_it_was_given_so_that_it_can_be_passed_on(artfs: Artfs, dataset: MakeDataset) -> None:
    name = artfs("put", dataset({"a": b"1"}), "other/pets").out.strip()
    assert name == "other/pets:v0"
    assert artfs("cat", f"{name}/a").out == "1"


def test_put_of_equal_content_is_the_same_version(artfs: Artfs, dataset: MakeDataset) -> None:
    artfs("put", dataset(), "pets")
    assert artfs("put", dataset(), "pets", "-a", "again").out == "pets:v0\n"
    assert artfs("versions", "pets", "--json").json[0]["aliases"] == ["again", "latest"]


def test_put_of_a_folder_puts_its_content_at_the_root_with_hidden_files_and_empty_directories(
    artfs: Artfs, dataset: MakeDataset
) -> None:
    artfs("put", dataset({".hidden": b"h", "a/b": b"b", "nothing": None}), "pets")
    assert [entry["path"] for entry in artfs("ls", "-R", "pets", "--json").json] == [".hidden", "a", "nothing", "a/b"]


def test_put_follows_symlinks(artfs: Artfs, dataset: MakeDataset) -> None:
    root = dataset({"a": b"content"})
    (root / "link").symlink_to("a")
    artfs("put", root, "pets")
    assert artfs("cat", "pets:v0/link").out == "content"


def test_put_of_a_file_uses_its_own_name(artfs: Artfs, dataset: MakeDataset) -> None:
    artfs("put", dataset({"model.onnx": b"m"}) / "model.onnx", "net", "--type", "model")
    assert [row[2] for row in artfs("ls", "net").rows] == ["model.onnx"]
    assert artfs("show", "net", "--json").json["type"] == "model"


def test_put_of_a_file_can_say_where_it_goes(artfs: Artfs, dataset: MakeDataset) -> None:
    artfs("put", dataset({"a": b"m"}) / "a", "net", "--path", "weights/a.bin")
    assert artfs("cat", "net:v0/weights/a.bin").out == "m"


def test_put_of_several_sources_puts_each_in_its_place(artfs: Artfs, dataset: MakeDataset) -> None:
    one, two = dataset({"a": b"1", "empty": None}, name="one"), dataset({"b": b"2", "c": b"3"}, name="two")
    nothing = dataset({}, name="nothing")
    sources: list[str | Path] = [one, two / "b", two / "c", nothing, "-"]
    artfs("put", *sources, "pets", "--at", "first", "--at", "x/b", "--at", "", "--at", "none", "--path", "std/in", stdin=b"4")
    assert [entry["path"] for entry in artfs("ls", "-R", "pets", "--json").json if entry["kind"] == "file"] == [
        "c",
        "first/a",
        "std/in",
        "x/b",
    ]
    assert {entry["path"] for entry in artfs("ls", "-R", "pets", "--json").json} >= {"first/empty", "none"}
    assert artfs("cat", "pets:v0/first/a", "pets:v0/x/b", "pets:v0/c", "pets:v0/std/in").out == "1234"


def test_put_of_a_folder_can_say_below_which_folder_it_goes(artfs: Artfs, dataset: MakeDataset) -> None:
    artfs("put", dataset({"a": b"1"}), "pets", "--at", "deep/er")
    assert artfs("cat", "pets:v0/deep/er/a").out == "1"


def test_put_of_stdin_needs_a_path(artfs: Artfs) -> None:
    artfs("put", "-", "readings", "--path", "r.csv", stdin=b"1,2\n")
    assert artfs("cat", "readings:v0/r.csv").out == "1,2\n"
    assert "--at" in artfs.fails("put", "-", "readings").err


def test_put_without_type_keeps_the_type_that_the_artifact_has(artfs: Artfs, dataset: MakeDataset) -> None:
    artfs("put", dataset({"a": b"1"}), "net", "--type", "model")
    artfs("put", dataset({"a": b"2"}), "net")
    assert artfs("show", "net", "--json").json["type"] == "model"


def test_put_with_another_type_than_the_artifact_has_is_refused(artfs: Artfs, dataset: MakeDataset) -> None:
    artfs("put", dataset(), "net", "--type", "model")
    outcome = artfs.fails("put", dataset(), "net", "--type", "dataset")
    assert outcome.code == 2
    assert "model" in outcome.err


def test_put_with_aliases_description_and_metadata(artfs: Artfs, dataset: MakeDataset) -> None:
    options = ["-a", "one", "-a", "two", "-d", "a text", "-m", "n=3", "-m", 'x={"a": [1]}', "-m", "t=plain text", "-m", "nan=NaN"]
    artfs("put", dataset(), "pets", *options)
    shown = artfs("show", "pets:one", "--json").json
    assert shown["aliases"] == ["latest", "one", "two"]
    assert shown["description"] == "a text"
    assert shown["metadata"] == {"n": 3, "x": {"a": [1]}, "t": "plain text", "nan": "NaN"}


def test_put_records_the_run_it_is_told_of_as_the_producer(artfs: Artfs, dataset: MakeDataset) -> None:
    artfs("put", dataset({"a": b"1"}), "pets", "--run", "step-1")
    artfs("put", dataset({"a": b"2"}), "pets", env={"ARTFS_RUN_ID": "step-2"})
    producers = [artfs("show", f"pets:v{number}", "--json").json["producer"]["id"] for number in (0, 1)]
    assert producers == ["step-1", "step-2"]


def test_put_of_what_cannot_be_put_says_why_and_leaves_nothing(artfs: Artfs, dataset: MakeDataset, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source, reason in ((tmp_path / "missing", "does not exist"), (tmp_path / "pipe", "neither a file nor a folder")):
        outcome = artfs.fails("put", source, "pets")
        assert outcome.code == 2
        assert reason in outcome.err
        assert str(source) in outcome.err
    assert artfs("ls", "--json").json == []


def test_put_of_a_folder_with_something_unreadable_in_it_names_it(artfs: Artfs, dataset: MakeDataset) -> None:
    root = dataset({"a/b": b"1"})
    (root / "a" / "broken").symlink_to("nowhere")
    outcome = artfs.fails("put", root, "pets")
    assert outcome.code == 2
    assert "a/broken" in outcome.err


def test_put_refuses_bad_names(artfs: Artfs, dataset: MakeDataset) -> None:
    root = dataset()
    bad: list[list[str | Path]] = [
        ["put", root, "pe ts"],
        ["put", root, "pets:v0"],
        ["put", root, "a/b/c/d"],
        ["put", root, "pets", "-a", "v7"],
        ["put", root, "pets", "-a", "a/b"],
        ["put", root, "pets", "--type", ""],
        ["put", root, "pets", "-m", "novalue"],
        ["put", root, "pets", "--path", "../x"],
        ["put", root / "readme.txt", "pets", "--path", "../x"],
        ["put", root, "pets", "--at", "x", "--at", "y"],
        ["put", "-", "-", "pets", "--at", "x", "--at", "y"],
        ["put", "-", "pets", "--at", "x", "--reference"],
        ["put", root, "pets", "--no-checksum"],
        ["put", root, root / "labels.csv", "pets", "--at", "", "--at", "readme.txt"],
    ]
    for arguments in bad:
        assert artfs.fails(*arguments).code == 2
    assert artfs("ls", "--json").json == []


def test_put_of_what_a_mount_has_for_itself_warns(artfs: Artfs, dataset: MakeDataset, tmp_path: Path) -> None:
    folder = dataset({".artfs/x": b"x", "a": b"a"})
    said = "'.artfs' is not seen where the version is mounted alone"
    assert said in artfs("put", folder, "pets").err
    assert said in artfs("put", "--reference", folder, "pets").err
    assert "'.artfs/b' is not seen" in artfs("put", folder / "a", "pets", "--at", ".artfs/b").err
    assert artfs("put", folder, "pets", "--at", "below").err == ""
    artfs("get", "pets:v0", tmp_path / "out")
    assert (tmp_path / "out/.artfs/x").read_bytes() == b"x"
