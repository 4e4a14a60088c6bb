"""Runs, and the graph of runs and versions."""

from __future__ import annotations

import pytest

from artfs.errors import AlreadyExists, NameNotValid, NotFound
from artfs.model.records import Direction, RunState, VersionState
from artfs.registry.open import Registry
from tests.contract.registry.writer import Writer


def test_run_is_kept_as_it_was_created(registry: Registry) -> None:
    run = registry.runs.create("team", "demo", name="my run", job_type="train", group="g", config={"lr": 0.1}, run_id="abc-1")
    assert registry.runs.get("abc-1") == run
    assert (run.id, run.entity, run.project, run.name) == ("abc-1", "team", "demo", "my run")
    assert (run.job_type, run.group, run.config) == ("train", "g", {"lr": 0.1})
    assert (run.state, run.finished_at) == (RunState.RUNNING, None)


def test_run_gets_an_id_of_its_own(registry: Registry) -> None:
    runs = [registry.runs.create("team", "demo") for _ in range(5)]
    assert len({run.id for run in runs}) == 5
    assert all(run.name == run.id and len(run.id) == 8 for run in runs)
    assert all((run.job_type, run.group, run.config) == (None, None, {}) for run in runs)


def test_run_id_is_taken_once(registry: Registry) -> None:
    registry.runs.create("team", "demo", run_id="abc", job_type="first")
    with pytest.raises(AlreadyExists, match="'abc'"):
        registry.runs.create("rival", "demo", run_id="abc")
    assert registry.runs.get("abc").job_type == "first"


def test_run_goes_on_in_the_group_that_is_given(registry: Registry) -> None:
    registry.runs.create("team", "demo", run_id="abc", group="one")
    registry.runs.finish("abc", RunState.FAILED)
    resumed = registry.runs.resume("abc")
    assert (resumed.state, resumed.finished_at, resumed.group) == (RunState.RUNNING, None, "one")
    assert registry.runs.resume("abc", group="two") == registry.runs.get("abc")
    assert registry.runs.get("abc").group == "two"
    with pytest.raises(NotFound, match="'abd'"):
        registry.runs.resume("abd")


@pytest.mark.parametrize("run_id", ["", ".", "..", "a/b", "a b", "ä", "x" * 129, "a\n"])
def test_run_id_that_is_no_path_name_is_refused(registry: Registry, run_id: str) -> None:
    with pytest.raises(NameNotValid):
        registry.runs.create("team", "demo", run_id=run_id)
    assert registry.runs.list("team", "demo") == []


def test_runs_of_a_project_are_listed_newest_first(registry: Registry) -> None:
    for name in ("z", "a", "m"):
        registry.runs.create("team", "demo", run_id=name)
    registry.runs.create("team", "other", run_id="elsewhere")
    assert [run.id for run in registry.runs.list("team", "demo")] == ["m", "a", "z"]
    assert registry.runs.list("team", "none") == []


def test_run_finishes_and_may_go_on(registry: Registry) -> None:
    registry.runs.create("team", "demo", run_id="abc")
    registry.runs.finish("abc", RunState.FAILED)
    ended = registry.runs.get("abc")
    assert ended.state is RunState.FAILED
    assert ended.finished_at is not None
    assert ended.finished_at >= ended.created_at
    registry.runs.finish("abc", RunState.RUNNING)
    assert registry.runs.get("abc").finished_at is None


def test_missing_run_is_told_with_a_similar_one(registry: Registry) -> None:
    registry.runs.create("team", "demo", run_id="train-bike")
    with pytest.raises(NotFound, match="no run 'train-bikes': did you mean 'train-bike'"):
        registry.runs.get("train-bikes")
    with pytest.raises(NotFound, match="artfs runs"):
        registry.runs.finish("zzz", RunState.FINISHED)


def test_lineage_is_walked_in_both_directions(registry: Registry, writer: Writer) -> None:
    make, train, test = (registry.runs.create("team", "demo", run_id=name).id for name in ("make", "train", "test"))
    data = writer.log(b"data", run_id=make).version
    model = writer.log(b"model", run_id=train).version
    registry.lineage.add(train, data.id, Direction.INPUT)
    registry.lineage.add(test, data.id, Direction.INPUT)
    registry.lineage.add(test, model.id, Direction.INPUT)
    assert [run.id for run in registry.lineage.producers(data.id)] == ["make"]
    assert [run.id for run in registry.lineage.consumers(data.id)] == ["train", "test"]
    assert [version.id for version in registry.lineage.outputs(train)] == [model.id]
    assert [version.id for version in registry.lineage.inputs(test)] == [data.id, model.id]
    assert registry.lineage.inputs(make) == []
    assert registry.lineage.consumers(model.id) == [registry.runs.get("test")]


def test_edges_keep_the_order_in_which_they_were_made(registry: Registry, writer: Writer) -> None:
    versions = [writer.log(b"%d" % number).version for number in range(3)]
    for name in ("z", "a"):
        registry.runs.create("team", "demo", run_id=name)
    for number in (2, 0, 1):
        registry.lineage.add("a", versions[number].id, Direction.INPUT)
    registry.lineage.add("z", versions[0].id, Direction.INPUT)
    assert [version.number for version in registry.lineage.inputs("a")] == [2, 0, 1]
    assert [run.id for run in registry.lineage.consumers(versions[0].id)] == ["a", "z"]


def test_edge_is_there_once_for_each_direction(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    registry.runs.create("team", "demo", run_id="abc")
    for direction in (Direction.INPUT, Direction.INPUT, Direction.OUTPUT, Direction.OUTPUT):
        registry.lineage.add("abc", version.id, direction)
    assert len(registry.lineage.consumers(version.id)) == 1
    assert len(registry.lineage.producers(version.id)) == 1


def test_edge_needs_a_run_and_a_version(registry: Registry, writer: Writer) -> None:
    version = writer.log(b"A").version
    registry.runs.create("team", "demo", run_id="abc")
    with pytest.raises(NotFound):
        registry.lineage.add("nobody", version.id, Direction.INPUT)
    with pytest.raises(NotFound):
        registry.lineage.add("abc", version.id + 1, Direction.INPUT)
    for walk in (registry.lineage.inputs, registry.lineage.outputs):
        with pytest.raises(NotFound):
            walk("nobody")
    for back in (registry.lineage.producers, registry.lineage.consumers):
        with pytest.raises(NotFound):
            back(version.id + 1)


def test_lineage_outlives_the_version(registry: Registry, writer: Writer) -> None:
    registry.runs.create("team", "demo", run_id="abc")
    version = writer.log(b"A", run_id="abc").version
    registry.versions.delete(version.id, delete_aliases=True)
    assert [found.state for found in registry.lineage.outputs("abc")] == [VersionState.DELETED]
    assert [run.id for run in registry.lineage.producers(version.id)] == ["abc"]
