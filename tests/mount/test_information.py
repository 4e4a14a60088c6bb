"""The information files: generated, with right sizes, readable by plain tools and programs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.mount.mounting import Place


def test_version_file_tells_what_the_registry_knows(shared: Path) -> None:
    told = json.loads((shared / "data/.artfs/v0.json").read_text())
    assert (told["name"], told["type"], told["version"]) == ("tester/default/data:v0", "dataset", "v0")
    assert told["aliases"] == ["best"]
    assert len(told["digest"]) == 64


def test_directory_lists_a_file_for_each_version_and_the_log(shared: Path) -> None:
    assert sorted(os.listdir(shared / "data/.artfs")) == ["log", "v0.json", "v1.json"]
    assert sorted(os.listdir(shared / ".artfs")) == ["errors", "status.json"]
    assert not (shared / "data/.artfs/v9.json").exists()
    assert not (shared / "data/.artfs/nothing").exists()


def test_sizes_are_those_of_the_content(shared: Path) -> None:
    for path in ("data/.artfs/v0.json", "data/.artfs/v1.json", "data/.artfs/log"):
        assert (shared / path).stat().st_size == len((shared / path).read_bytes())
        listed = {row.name: row.stat().st_size for row in os.scandir((shared / path).parent)}
        assert listed[Path(path).name] == (shared / path).stat().st_size


def test_log_has_a_line_for_each_version(shared: Path) -> None:
    lines = [json.loads(line) for line in (shared / "data/.artfs/log").read_text().splitlines()]
    assert [(line["event"], line["version"]) for line in lines] == [("version", "v0"), ("version", "v1")]


def test_status_tells_of_the_mount(shared: Path) -> None:
    told = json.loads((shared / ".artfs/status.json").read_text())
    assert told["target"] == "tester/default"
    assert told["mountpoint"] == str(shared)
    assert told["requests"]["lookup"] > 0
    assert Path(f"/proc/{told['pid']}").is_dir()


def test_an_artifact_mounted_alone_has_both_kinds_of_files(place: Place, source: Path) -> None:
    place.commit(source)
    with place.mounted("data") as mountpoint:
        assert sorted(os.listdir(mountpoint)) == [".artfs", "latest", "staging", "v0"]
        assert sorted(os.listdir(mountpoint / ".artfs")) == ["errors", "log", "status.json", "v0.json"]


def test_a_version_with_the_name_of_the_control_folder_does_not_hide_it(place: Place, source: Path) -> None:
    (source / ".artfs").mkdir()
    (source / ".artfs/x").write_bytes(b"x")
    place.commit(source)
    with place.mounted("data:v0") as mountpoint:
        assert sorted(os.listdir(mountpoint / ".artfs")) == ["errors", "status.json"]
        assert json.loads((mountpoint / ".artfs/status.json").read_text())["target"] == "tester/default/data:v0"
        assert sorted([".artfs", *os.listdir(mountpoint)]) == sorted(os.listdir(source))
        assert sorted(os.listdir(mountpoint / ".artfs")) == ["errors", "status.json"]
    with place.mounted("data") as mountpoint:
        assert (mountpoint / "v0/.artfs/x").read_bytes() == b"x"


def test_a_version_mounted_alone_shows_nothing_else(place: Place, source: Path) -> None:
    place.commit(source, aliases=["best"])
    with place.mounted("data:best") as mountpoint:
        assert sorted(os.listdir(mountpoint)) == sorted(os.listdir(source))
        assert json.loads((mountpoint / ".artfs/status.json").read_text())["target"] == "tester/default/data:best"
        assert (mountpoint / "images/cat.bin").read_bytes() == (source / "images/cat.bin").read_bytes()
        (source / "more").write_bytes(b"x")
        place.commit(source, aliases=["best"])
        assert not (mountpoint / "more").exists()
