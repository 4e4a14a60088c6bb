"""Tables in artifacts: added, logged, and got back."""

from __future__ import annotations

import pytest

import artfs
from artfs.client.artifact import Artifact
from artfs.data_types import PartitionedTable, Table
from artfs.errors import NameNotValid, ReadOnly, TypeNotValid

ROWS = [[1, 2.5, "x"], [None, 3.0, None], [3, float("nan"), "z"]]


def make_table() -> Table:
    return artfs.Table(columns=["a", "b", "c"], data=ROWS)


def make_artifact(name: str = "results") -> Artifact:
    return artfs.Artifact(name, type="table")


def test_a_table_comes_back_from_a_draft_and_from_a_version() -> None:
    artifact, table = make_artifact(), make_table()
    entry = artifact.add(table, "parts/one")
    assert entry.path == "parts/one.table.parquet"
    assert artifact.get("parts/one") == table
    with artfs.init() as run:
        run.log_artifact(artifact).wait(60)
        for name in ("parts/one", "parts/one.table.parquet", "./parts//one"):
            got = run.use_artifact("results:latest").get(name)
            assert isinstance(got, Table)
            assert got == table
            assert got.columns == ["a", "b", "c"]
            assert got.data[:2] == ROWS[:2]


def test_the_same_table_again_does_nothing_and_another_is_refused() -> None:
    artifact = make_artifact()
    first = artifact.add(make_table(), "one")
    assert artifact.add(make_table(), "one.table.parquet").digest == first.digest
    with pytest.raises(NameNotValid, match=r"one\.table\.parquet.*overwrite=True"):
        artifact.add(artfs.Table(columns=["a"], data=[[1]]), "one")
    with pytest.raises(NameNotValid, match=r"another object of this name.*one\.table\.parquet"):
        artifact.add(PartitionedTable("parts"), "one")
    assert artifact.get("one") == make_table()
    artifact.add(PartitionedTable("parts"), "one", overwrite=True)
    assert artifact.get("one") == PartitionedTable("parts")
    assert artifact.file_count == 1


def test_other_objects_are_refused() -> None:
    artifact = make_artifact()
    for other in ([[1]], "text", None, {"a": 1}, Table):
        with pytest.raises(TypeNotValid, match=r"Table or a PartitionedTable") as told:
            artifact.add(other, "one")  # type: ignore[arg-type]
        assert isinstance(told.value, TypeError)
    assert artifact.file_count == 0


def test_nothing_is_added_to_what_was_logged() -> None:
    with artfs.init() as run:
        artifact = run.log_artifact(make_artifact())
        with pytest.raises(ReadOnly):
            artifact.add(make_table(), "one")


def test_what_is_no_object_is_none() -> None:
    artifact = make_artifact()
    with artifact.new_file("plain.txt") as file:
        file.write("text")
    for name in ("plain.txt", "plain", "missing", "../x", "/x"):
        assert artifact.get(name) is None


def test_a_partitioned_table_goes_through_all_parts_in_natural_order() -> None:
    artifact = make_artifact()
    for number in (10, 2, 1):
        artifact.add(artfs.Table(columns=["n", "s"], data=[[number, "a"], [number, None]]), f"parts/table_{number}")
    artifact.add(artfs.data_types.PartitionedTable("parts"), "all")
    with artfs.init() as run:
        run.log_artifact(artifact).wait(60)
        for source in (run.use_artifact("results:latest"), artifact):
            table = source.get("all")
            assert isinstance(table, PartitionedTable)
            assert len(table) == 6
            assert table.columns == ["n", "s"]
            assert list(table.iterrows()) == list(enumerate([n, s] for n in (1, 2, 10) for s in ("a", None)))
            assert list(table.to_pandas()["n"]) == [1, 1, 2, 2, 10, 10]
