"""`artfs runs` and `artfs lineage`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Artfs
from tests.cli.test_versions import RUN_KEYS, VERSION_KEYS
from tests.conftest import MakeDataset


@pytest.fixture
def pipeline(artfs: Artfs, dataset: MakeDataset, tmp_path: Path) -> Artfs:
    """clean: raw:v0 → clean:v0; train: clean:v0 → model:v0; evaluate: model:v0 and clean:v0 → report:v0."""
    artfs("put", dataset({"a": b"raw"}, name="raw"), "raw")
    for run, inputs, output in (
        ("clean-1", ["raw"], "clean"),
        ("train-1", ["clean"], "model"),
        ("evaluate-1", ["model", "clean"], "report"),
    ):
        environ = {"ARTFS_RUN_ID": run}
        for name in inputs:
            artfs("get", name, tmp_path / "in" / name, env=environ)
        artfs("put", dataset({"a": run.encode()}, name=output), output, env=environ)
    return artfs


def test_runs_are_listed_newest_first(pipeline: Artfs) -> None:
    assert [row[0] for row in pipeline("runs").rows] == ["evaluate-1", "train-1", "clean-1"]
    runs = pipeline("runs", "--json").json
    assert all(set(run) == RUN_KEYS for run in runs)


def test_one_run_is_shown_with_what_it_used_and_logged(pipeline: Artfs) -> None:
    run = pipeline("runs", "evaluate-1", "--json").json
    assert set(run) == RUN_KEYS | {"inputs", "outputs"}
    assert {version["name"] for version in run["inputs"]} == {"model:v0", "clean:v0"}
    assert [version["name"] for version in run["outputs"]] == ["report:v0"]
    rows = pipeline("runs", "evaluate-1").rows
    assert ["logged", "report:v0"] in rows


def test_an_unknown_run_is_not_found(pipeline: Artfs) -> None:
    assert pipeline.fails("runs", "nobody").code == 3


def test_a_run_id_that_cannot_be_one_is_a_mistake(pipeline: Artfs, tmp_path: Path) -> None:
    assert pipeline.fails("get", "raw", tmp_path / "x", "--run", "a/b").code == 2


def test_lineage_is_walked_both_ways(pipeline: Artfs) -> None:
    lines = [line.strip(" │├└─") for line in pipeline("lineage", "clean:v0").lines]
    assert lines[0].startswith("clean:v0 dataset")
    up, down = lines.index("came from"), lines.index("went into")
    assert any(line.startswith("logged by clean-1") for line in lines[up:down])
    assert any(line.startswith("raw:v0") for line in lines[up:down])
    for expected in ("used by train-1", "model:v0", "used by evaluate-1", "report:v0"):
        assert any(line.startswith(expected) for line in lines[down:]), expected


def test_lineage_as_json_is_a_graph_of_runs_and_versions(pipeline: Artfs) -> None:
    graph = pipeline("lineage", "model:v0", "--json").json
    assert set(graph) == {"version", "versions", "runs", "edges"}
    assert graph["version"] == "tester/default/model:v0"
    assert all(set(version) == VERSION_KEYS for version in graph["versions"])
    edges = {(edge["run"], edge["version"].rpartition("/")[2], edge["direction"]) for edge in graph["edges"]}
    assert edges == {
        ("clean-1", "raw:v0", "input"),
        ("clean-1", "clean:v0", "output"),
        ("train-1", "clean:v0", "input"),
        ("train-1", "model:v0", "output"),
        ("evaluate-1", "model:v0", "input"),
        ("evaluate-1", "report:v0", "output"),
    }


def test_lineage_goes_as_far_as_it_is_told(pipeline: Artfs) -> None:
    out = pipeline("lineage", "report:v0", "--depth", "1").out
    assert "train-1" not in out
    assert "model:v0" in out


def test_lineage_of_a_run_that_reads_what_it_has_logged_ends(pipeline: Artfs, tmp_path: Path) -> None:
    pipeline("get", "model", tmp_path / "again", "--run", "train-1")
    assert "see above" in pipeline("lineage", "model:v0", "--depth", str(1 << 62)).out


def test_lineage_of_a_version_without_any_is_that_version(artfs: Artfs, dataset: MakeDataset) -> None:
    artfs("put", dataset(), "pets")
    assert artfs("lineage", "pets").lines == ["pets:v0 dataset [latest]"]
