"""Tables in parts: many tables of an artifact, read as one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest

import artfs
from artfs.client.artifact import Artifact
from artfs.client.data_types.partitioned_table import MOST_BYTES
from artfs.client.data_types.stored_file import StoredFile
from artfs.data_types import PartitionedTable, Table
from artfs.errors import IntegrityError, NotFound, TypeNotValid, UserError
from artfs.model.entry import Entry, Kind, directory_entry


def part(*numbers: int) -> Table:
    return Table(columns=["n", "s"], data=[[number, f"row {number}"] for number in numbers])


def make(parts: dict[str, Table], name: str = "results") -> Artifact:
    """An artifact with these tables below `parts`, and all of them as `all`."""
    artifact = artfs.Artifact(name, type="table")
    for path, table in parts.items():
        artifact.add(table, f"parts/{path}")
    artifact.add(PartitionedTable("parts"), "all")
    return artifact


def get(artifact: Artifact) -> PartitionedTable:
    found = artifact.get("all")
    assert isinstance(found, PartitionedTable)
    return found


def test_parts_come_in_natural_order_at_any_depth() -> None:
    names = ["table_10", "table_2", "table_1", "host-2/table_1", "host-10/table_1", "table_01", "10", "9"]
    artifact = make({name: part(index) for index, name in enumerate(names)})
    order = ["9", "10", "host-2/table_1", "host-10/table_1", "table_01", "table_1", "table_2", "table_10"]
    with artfs.init() as run:
        for source in (artifact, run.log_artifact(artifact).wait(60)):
            assert get(source).parts == [f"parts/{name}.table.parquet" for name in order]
            assert [row[0] for _, row in get(source).iterrows()] == [names.index(name) for name in order]


def test_rows_are_counted_on_and_gathered() -> None:
    artifact = make({"table_1": part(1, 2), "table_2": part(), "table_3": part(3)})
    table = get(artifact)
    assert list(table.iterrows()) == [(0, [1, "row 1"]), (1, [2, "row 2"]), (2, [3, "row 3"])]
    assert len(table) == 3
    assert table.columns == ["n", "s"]
    frame = table.to_pandas()
    assert list(frame["n"]) == [1, 2, 3]
    assert list(frame.index) == [0, 1, 2]
    assert frame.equals(table.get_dataframe())


def test_parts_with_other_columns_are_told_by_name() -> None:
    artifact = make({"table_1": part(1), "table_2": Table(columns=["n", "other"], data=[[1, "x"]])})
    for read in (lambda table: list(table.iterrows()), len, lambda table: table.to_pandas()):
        with pytest.raises(
            UserError, match=r"parts/table_1\.table\.parquet.* has n, s, and .*parts/table_2\.table\.parquet.* has n, other"
        ):
            read(get(artifact))


def test_parts_whose_columns_have_other_types_are_told_by_name() -> None:
    artifact = make({"table_1": part(1), "table_2": Table(columns=["n", "s"], data=[["text", None]])})
    with pytest.raises(
        UserError, match=r"the column 'n' is int in .*table_1\.table\.parquet.*, and str in .*table_2\.table\.parquet"
    ):
        list(get(artifact).iterrows())


def test_none_and_float_go_with_int_in_other_parts() -> None:
    artifact = make(
        {str(number): Table(columns=["n"], data=[[value]]) for number, value in enumerate([None, 1, 2.5, None])}
        | {"9": Table(columns=["n"], data=[])}
    )
    assert [row for _, row in get(artifact).iterrows()] == [[None], [1], [2.5], [None]]
    assert len(get(artifact).to_pandas()) == 4


def test_columns_of_mixed_types_go_with_any_other() -> None:
    mixed = Table(columns=["n"], data=[[1], ["x"]], allow_mixed_types=True)
    artifact = make({"1": mixed, "2": Table(columns=["n"], data=[[5]])})
    assert [row for _, row in get(artifact).iterrows()] == [[1], ["x"], [5]]


def test_a_folder_that_is_not_there_is_told_with_what_to_do() -> None:
    artifact = artfs.Artifact("results", type="table")
    artifact.add(PartitionedTable("parts"), "all")
    with artfs.init() as run:
        for source in (artifact, run.log_artifact(artifact).wait(60)):
            for read in (lambda table: list(table.iterrows()), len, lambda table: table.columns, lambda table: table.to_pandas()):
                with pytest.raises(
                    NotFound, match=r"no folder 'parts' with the parts of a table: add them with artifact\.add"
                ) as told:
                    read(get(source))
                assert isinstance(told.value, LookupError)


def test_a_notebook_shows_what_is_wrong_with_the_parts() -> None:
    missing = artfs.Artifact("results", type="table")
    missing.add(PartitionedTable("parts"), "all")
    damaged = make({"table_1": part(1)})
    with damaged.new_file("parts/table_2.table.parquet", "wb") as file:
        file.write(b"PAR1 but no table PAR1")
    for artifact, said in ((missing, "has no folder &#x27;parts&#x27;"), (damaged, "parts/table_2.table.parquet")):
        html = get(artifact)._repr_html_()
        assert "PartitionedTable" in html
        assert said in html


def test_a_file_in_place_of_the_folder_is_told() -> None:
    artifact = artfs.Artifact("results", type="table")
    with artifact.new_file("parts") as file:
        file.write("text")
    artifact.add(PartitionedTable("parts"), "all")
    with pytest.raises(NotFound, match="'parts' of the artifact 'results' is a file"):
        list(get(artifact).iterrows())


def test_a_folder_without_tables_is_an_empty_table() -> None:
    artifact = artfs.Artifact("results", type="table")
    with artifact.new_file("parts/readme.txt") as file:
        file.write("no tables yet")
    artifact.add(PartitionedTable("parts"), "all")
    table = get(artifact)
    assert (len(table), table.columns, table.parts, list(table.iterrows())) == (0, [], [], [])
    assert table
    assert len(table.to_pandas()) == 0
    assert "0 parts below parts" in table._repr_html_()


def test_one_that_is_in_no_artifact_says_how_to_read_it() -> None:
    table = PartitionedTable("parts")
    assert repr(table) == "<PartitionedTable: parts below 'parts'>"
    assert "&lt;PartitionedTable" in table._repr_html_()
    with pytest.raises(UserError, match="add it to one, and get it from there"):
        list(table.iterrows())


@pytest.mark.parametrize("path", ["", "/parts", "../parts", "a/../b", "x\0"])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a valid path"):
        PartitionedTable(path)
    with pytest.raises(TypeNotValid):
        PartitionedTable(5)  # type: ignore[arg-type]


def test_the_stored_file_is_the_same_for_the_same_path() -> None:
    assert bytes(PartitionedTable("a//b/").encode()) == b'{"format": 1, "kind": "partitioned-table", "parts_path": "a/b"}\n'
    assert PartitionedTable("a/b") == PartitionedTable("./a/b")
    assert len(bytes(PartitionedTable("/".join(["ü" * 127] * 12)).encode())) < MOST_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b"{" * 100_000,
        b'{"format": 1, "kind": "table", "parts_path": "parts"}',
        b'{"format": "1", "kind": "partitioned-table", "parts_path": "parts"}',
        b'{"format": 2, "kind": "partitioned-table", "parts_path": "parts"}',
        b'{"format": 1, "kind": "partitioned-table", "parts_path": "../parts"}',
        b'{"format": 1, "kind": "partitioned-table", "parts_path": 5}',
        b'{"format": 1, "kind": "partitioned-table"}',
        b'{"format": 1, "kind": "partitioned-table", "parts_path": "' + b"x" * MOST_BYTES + b'"}',
    ],
)
def test_a_stored_file_that_is_damaged_is_told(data: bytes) -> None:
    artifact = artfs.Artifact("results", type="table")
    with artifact.new_file("all.partitioned-table.json", "wb") as file:
        file.write(data)
    with pytest.raises(
        IntegrityError, match=r"'all\.partitioned-table\.json' of the artifact 'results' is not a partitioned table"
    ) as told:
        artifact.get("all")
    assert len(str(told.value)) < 500


def test_a_damaged_part_is_told_by_name_when_its_turn_comes() -> None:
    artifact = make({"table_1": part(1)})
    with artifact.new_file("parts/table_2.table.parquet", "wb") as file:
        file.write(b"PAR1 but no table PAR1")
    rows = get(artifact).iterrows()
    assert next(rows) == (0, [1, "row 1"])
    with pytest.raises(IntegrityError, match=r"cannot read the table 'parts/table_2\.table\.parquet' of the artifact 'results'"):
        next(rows)


class OpenedFiles:
    """Tables by path, and which of them were opened so far."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self.name = "the artifact"
        self.opened: list[str] = []
        self._data = {path: bytes(table.encode()) for path, table in tables.items()}

    def find(self, path: str) -> Entry | None:
        return directory_entry(path)

    def below(self, path: str) -> Sequence[Entry]:
        return [Entry(name, Kind.FILE, size=len(data)) for name, data in self._data.items()]

    def open(self, entry: Entry) -> Any:
        self.opened.append(entry.path)
        stream = io.BytesIO(self._data[entry.path])

        def read(offset: int, length: int) -> bytes:
            stream.seek(offset)
            return stream.read(length)

        return StoredFile(read, entry.size)


def test_a_part_is_opened_when_its_turn_comes() -> None:
    files = OpenedFiles({f"parts/table_{number}.table.parquet": part(number, number) for number in range(1, 4)})
    table = PartitionedTable.decode(bytes(PartitionedTable("parts").encode()), files, "all")
    rows = table.iterrows()
    assert files.opened == []
    for count in (1, 1, 2, 2, 3, 3):
        next(rows)
        assert len(files.opened) == count
    files.opened.clear()
    assert table.columns == ["n", "s"]
    assert files.opened == ["parts/table_1.table.parquet"]


def test_parts_of_several_runs_are_one_table() -> None:
    for number in range(3):
        with artfs.init(group="together") as run:
            artifact = artfs.Artifact("results", type="table")
            artifact.add(part(number), f"parts/table_{number}")
            run.upsert_artifact(artifact)
            assert artifact.get(f"parts/table_{number}") == part(number)
    with artfs.init(group="together") as run:
        artifact = artfs.Artifact("results", type="table")
        artifact.add(PartitionedTable("parts"), "all")
        finished = run.finish_artifact(artifact)
    for source in (finished, artfs.Api().artifact("results:v0")):
        assert [row for _, row in get(source).iterrows()] == [[0, "row 0"], [1, "row 1"], [2, "row 2"]]


def test_a_notebook_shows_the_first_rows() -> None:
    table = get(make({f"table_{number}": part(*range(15)) for number in range(3)}))
    html = table._repr_html_()
    assert "3 parts below parts" in html
    assert "45 rows, 2 columns" in html
    assert html.count("<tr><td>") == 20
    assert "… and 25 more rows" in html
