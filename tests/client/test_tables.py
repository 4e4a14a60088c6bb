"""Tables in artifacts: added, logged, and got back."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import artfs
from artfs.client.artifact import Artifact
from artfs.client.session import SESSION
from artfs.data_types import PartitionedTable, Table
from artfs.errors import IntegrityError, NameNotValid, ReadOnly, ReferenceChanged, TypeNotValid

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


def test_both_names_of_the_module_are_the_same() -> None:
    wandb = artfs
    assert wandb.data_types.PartitionedTable is PartitionedTable
    assert wandb.data_types.Table is wandb.Table is Table
    assert {"Table", "data_types"} <= set(dir(artfs))


def test_a_table_that_changes_after_it_was_added_stays_as_it_was() -> None:
    artifact, table = make_artifact(), make_table()
    artifact.add(table, "one")
    table.add_data(4, 4.0, "later")
    assert artifact.get("one") == make_table()


def test_the_same_table_makes_no_new_version() -> None:
    with artfs.init() as run:
        for _ in range(2):
            artifact = make_artifact()
            artifact.add(make_table(), "one")
            assert run.log_artifact(artifact).wait(60).version == "v0"
        artifact = make_artifact()
        artifact.add(artfs.Table(columns=["a", "b", "c"], data=ROWS[:2]), "one")
        assert run.log_artifact(artifact).wait(60).version == "v1"


def test_a_table_that_was_refused_leaves_the_artifact_as_it_was() -> None:
    artifact, table = make_artifact(), make_table()
    artifact.add(table, "one")
    table.data[0] = [1]
    for name, said in (("two", "row 0 has 1 value,"), ("../two", "not a valid path"), ("x" * 250, "longer than 255 bytes")):
        with pytest.raises(ValueError, match=said):
            artifact.add(make_table() if name != "two" else table, name)
    with pytest.raises(NameNotValid, match=r"'one\.table\.parquet' is a file there"):
        artifact.add(make_table(), "one.table.parquet/two")
    assert artifact.file_count == 1


def test_a_draft_that_is_final_gives_its_objects_and_goes_on_to_be_logged() -> None:
    artifact = make_artifact()
    artifact.add(make_table(), "one")
    artifact.finalize()
    assert artifact.get("one") == make_table()
    with artfs.init() as run:
        assert run.log_artifact(artifact).wait(60).get("one") == make_table()


def test_files_are_added_after_an_object_was_read() -> None:
    artifact = make_artifact()
    artifact.add(make_table(), "one")
    assert artifact.get("one") == make_table()
    artifact.add(make_table(), "two")
    with artifact.new_file("three.txt") as file:
        file.write("text")
    with artfs.init() as run:
        version = run.log_artifact(artifact).wait(60)
        assert version.get("one") == version.get("two") == make_table()
        assert version.file_count == 3


def test_a_file_that_other_tools_wrote_is_a_table_as_well() -> None:
    artifact = make_artifact()
    with artifact.new_file("theirs.table.parquet", "wb") as file:
        make_table().to_pandas().to_parquet(file)
    theirs = artifact.get("theirs")
    assert isinstance(theirs, Table)
    assert theirs.get_column("c") == ["x", None, "z"]


def test_getting_a_table_reads_its_file_only_and_its_rows_when_they_are_asked_for() -> None:
    artifact = make_artifact()
    table = artfs.Table(columns=["data"], data=[[bytes([number]) + random.randbytes(4096)] for number in range(256)])
    for name in ("one", "two", "three"):
        table.add_data(name.encode())
        artifact.add(table, name)
    with artfs.init() as run:
        run.log_artifact(artifact).wait(60)
        SESSION.close_down()  # nothing is in memory any more
    version = artfs.Api().artifact("results")
    objects = SESSION.repository(SESSION.current_config()).objects
    size = version.get_path("one.table.parquet").size
    assert size is not None
    got = version.get("one")
    assert isinstance(got, Table)
    assert len(got) == 257
    assert objects.counts()["bytes_read"] < size / 2
    assert got.data[256] == [b"one"]
    assert objects.counts()["bytes_read"] < size * 1.5


def test_a_table_whose_bytes_are_damaged_is_told_by_name() -> None:
    artifact = make_artifact()
    good = bytes(make_table().encode())
    for name, data in (("cut", good[: len(good) // 2]), ("text", b"a,b\n1,2\n"), ("empty", b"")):
        with artifact.new_file(f"{name}.table.parquet", "wb") as file:
            file.write(data)
        with pytest.raises(IntegrityError, match=rf"cannot read the table '{name}\.table\.parquet' of the artifact 'results': "):
            artifact.get(name)


def test_threads_may_add_tables_together() -> None:
    artifact = make_artifact()

    def add(number: int) -> None:
        artifact.add(artfs.Table(columns=["n"], data=[[number]]), f"parts/{number}")
        got = artifact.get(f"parts/{number}")
        assert isinstance(got, Table)
        assert got.data == [[number]]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(40)))
    assert artifact.file_count == 40


def test_a_table_at_a_reference_is_read_where_it_is(tmp_path: Path) -> None:
    source = tmp_path / "far.table.parquet"
    source.write_bytes(make_table().encode())
    artifact = make_artifact()
    for checksum in (True, False):
        artifact.add_reference(source.as_uri(), name=f"{checksum}.table.parquet", checksum=checksum)
    with artfs.init() as run:
        for holder in (artifact, run.log_artifact(artifact).wait(60)):
            assert holder.get("True") == make_table()
            assert holder.get("False") == make_table()


def test_a_table_at_a_reference_that_has_changed_is_not_read(tmp_path: Path) -> None:
    source = tmp_path / "far.table.parquet"
    source.write_bytes(make_table().encode())
    artifact = make_artifact()
    artifact.add_reference(source.as_uri())
    source.write_bytes(artfs.Table(columns=["a"], data=[[1]]).encode())
    with pytest.raises(ReferenceChanged, match=r"far\.table\.parquet is not what was recorded"):
        artifact.get("far")
