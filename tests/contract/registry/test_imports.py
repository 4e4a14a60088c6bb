"""Imports: what another registry has becomes the same here, whoever commits at the same time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from artfs.errors import Conflict, LeaseLost, UserError
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import PackId
from artfs.model.names import ArtifactName
from artfs.model.records import Direction, LineageEdge, RunRecord, RunState, VersionImport, VersionState
from artfs.registry.open import Registry
from tests.contract.registry.racers import Kind, race
from tests.contract.registry.writer import BIKE, Writer

LONG_AGO = datetime(2020, 2, 29, 12, 30, 1, 250_000, tzinfo=UTC)


@pytest.fixture
def importer(writer: Writer) -> Importer:
    return Importer(writer)


class Importer:
    """Imports content of a name into one registry."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.registry = writer.registry

    def draft(self, number: int, content: bytes, **changes: Any) -> VersionImport:
        draft = self.writer.draft(content)
        values: dict[str, Any] = {
            "artifact": draft.artifact,
            "type": "dataset",
            "number": number,
            "next_number": number + 1,
            "digest": draft.digest,
            "manifest": draft.manifest,
            "size": draft.size,
            "file_count": draft.file_count,
            "description": "copied",
            "metadata": {"rows": 3},
            "created_at": LONG_AGO,
            "needed_packs": draft.needed_packs,
            "lease": draft.lease,
        }
        return VersionImport(**{**values, **changes})

    def add(self, number: int, content: bytes, **changes: Any) -> bool:
        return self.registry.imports.add_version(self.draft(number, content, **changes))


def run_record(run_id: str = "train-7", **changes: Any) -> RunRecord:
    values: dict[str, Any] = {
        "id": run_id,
        "entity": "team",
        "project": "demo",
        "name": "the seventh",
        "job_type": "train",
        "group": "night",
        "config": {"lr": 0.1},
        "state": RunState.RUNNING,
        "created_at": LONG_AGO,
        "finished_at": None,
    }
    return RunRecord(**{**values, **changes})


def test_an_imported_version_is_what_it_was_where_it_comes_from(registry: Registry, importer: Importer) -> None:
    draft = importer.draft(3, b"three")
    assert registry.imports.add_version(draft) is True
    version = importer.writer.resolve("v3")
    assert (version.number, version.digest, version.created_at, version.type) == (3, digest_of(b"three"), LONG_AGO, "dataset")
    assert (version.description, dict(version.metadata), version.aliases) == ("copied", {"rows": 3}, ())
    assert registry.versions.needed_packs(version.id) == draft.needed_packs
    assert [lease.id for lease in registry.leases.list_active()] == []


def test_importing_again_finds_what_is_there_and_ends_the_lease(registry: Registry, importer: Importer) -> None:
    importer.add(0, b"zero")
    assert importer.add(0, b"zero") is False
    assert registry.leases.list_active() == []
    assert [version.number for version in registry.versions.list(BIKE)] == [0]


def test_holes_stay_holes_and_new_versions_come_after_all_numbers_of_the_source(registry: Registry, importer: Importer) -> None:
    importer.add(1, b"one", next_number=9)
    assert importer.writer.log(b"own").version.number == 9
    importer.add(4, b"four", next_number=9)
    assert [version.number for version in registry.versions.list(BIKE)] == [9, 4, 1]
    assert registry.imports.next_number(BIKE) == 10


def test_a_number_that_stands_for_other_content_is_a_conflict_and_changes_nothing(registry: Registry, importer: Importer) -> None:
    importer.writer.log(b"own")
    with pytest.raises(Conflict, match="v0 is there already and has other content"):
        importer.add(0, b"theirs", next_number=5)
    assert registry.imports.next_number(BIKE) == 1
    assert importer.writer.resolve("v0").digest == digest_of(b"own")


def test_content_that_has_another_number_is_a_conflict(importer: Importer) -> None:
    importer.writer.log(b"same")
    with pytest.raises(Conflict, match="the content of v4 is there already as team/demo/bike:v0"):
        importer.add(4, b"same")


def test_a_deleted_version_does_not_come_back(registry: Registry, importer: Importer) -> None:
    importer.add(0, b"zero")
    registry.versions.delete(importer.writer.resolve("v0").id)
    assert importer.add(0, b"zero") is False
    assert registry.versions.list(BIKE) == []
    assert registry.imports.numbers(BIKE)[0].state is VersionState.DELETED


def test_another_type_is_refused(importer: Importer) -> None:
    importer.add(0, b"zero")
    with pytest.raises(UserError, match="has the type 'dataset', not 'model'"):
        importer.add(1, b"one", type="model")


def test_an_import_without_its_packs_or_its_lease_is_refused(registry: Registry, importer: Importer) -> None:
    ended = importer.draft(0, b"zero")
    registry.leases.end(ended.lease)
    with pytest.raises(LeaseLost):
        registry.imports.add_version(ended)
    collected = importer.draft(0, b"zero")
    registry.packs.drop_uncommitted(collected.lease)
    with pytest.raises(LeaseLost):
        registry.imports.add_version(collected)
    assert registry.imports.numbers(BIKE) == {}


def test_doomed_packs_are_taken_back_unless_they_are_being_deleted(registry: Registry, importer: Importer) -> None:
    lease = importer.writer.open_lease()
    kept, gone = importer.writer.add_pack(lease, b"kept"), importer.writer.add_pack(lease, b"gone", sequence=1)
    registry.leases.end(lease)
    both = [digest_of(b"kept"), digest_of(b"gone")]
    other = importer.writer.open_lease()

    def find(entity: str, *digests: Digest) -> set[PackId]:
        return {ref.pack for ref in registry.packs.find_or_take_back(entity, other, digests).values()}

    assert find("team", *both) == {kept, gone}
    assert registry.packs.doom_unneeded() == 2
    assert registry.packs.find_chunks("team", other, both) == {}
    assert find("somebody", *both) == set()
    assert find("team", both[0]) == {kept}
    assert {ref.pack for ref in registry.packs.find_chunks("team", other, both).values()} == {kept}
    assert [pack.id for pack in registry.packs.claim_doomed(registry.now() + timedelta(days=1), 10)] == [gone]
    assert find("team", *both) == {kept}
    assert registry.packs.doom_unneeded() == 1
    registry.leases.end(other)
    with pytest.raises(LeaseLost):
        find("team", *both)


def test_aliases_stand_where_they_are_wanted(registry: Registry, importer: Importer) -> None:
    importer.add(0, b"zero")
    importer.add(1, b"one")
    moves = registry.imports.place_aliases(BIKE, {"latest": 1, "best": 0}, among=[0, 1])
    assert (moves.placed, moves.left) == ({"latest": 1, "best": 0}, {})
    again = registry.imports.place_aliases(BIKE, {"latest": 1, "best": 1}, among=[0, 1])
    assert (again.placed, again.left) == ({"best": 1}, {})


def test_an_alias_on_a_version_of_somebody_else_is_left_there_unless_forced(registry: Registry, importer: Importer) -> None:
    importer.add(0, b"zero", next_number=2)
    importer.writer.log(b"own")
    moves = registry.imports.place_aliases(BIKE, {"latest": 0, "best": 0, "gone": 1}, among=[0, 1])
    assert (moves.placed, moves.left) == ({"best": 0}, {"latest": 2})
    assert registry.imports.place_aliases(BIKE, {"latest": 0}, among=[0], force=True).placed == {"latest": 0}
    assert registry.aliases.list(BIKE) == {"best": 0, "latest": 0}


def test_a_run_is_entered_once_and_brought_up_to_date(registry: Registry) -> None:
    run = run_record()
    assert registry.imports.add_run(run) is True
    assert registry.runs.get("train-7") == run
    ended = run_record(state=RunState.FINISHED, finished_at=LONG_AGO)
    assert registry.imports.add_run(ended) is True
    assert registry.runs.get("train-7") == ended
    assert registry.imports.add_run(run) is True
    assert registry.runs.get("train-7") == ended


def test_a_run_of_another_time_is_another_run(registry: Registry) -> None:
    registry.runs.create("team", "demo", run_id="train-7")
    assert registry.imports.add_run(run_record()) is False
    assert registry.runs.get("train-7").config == {}


def test_lineage_keeps_its_order_and_its_times(registry: Registry, importer: Importer) -> None:
    importer.add(0, b"zero")
    for name in ("second", "first"):
        registry.imports.add_run(run_record(name))
    edges = [
        LineageEdge("first", BIKE, 0, Direction.OUTPUT, LONG_AGO),
        LineageEdge("second", BIKE, 0, Direction.OUTPUT, LONG_AGO),
        LineageEdge("second", BIKE, 0, Direction.INPUT, LONG_AGO),
    ]
    nowhere = [LineageEdge("first", BIKE, 7, Direction.INPUT, LONG_AGO)]
    nowhere += [LineageEdge("first", ArtifactName("team", "demo", "car"), 0, Direction.INPUT, LONG_AGO)]
    registry.imports.add_edges([*edges, *nowhere])
    registry.imports.add_edges(edges)
    assert registry.imports.edges(BIKE) == edges
    assert registry.imports.edges_of_runs(["second"]) == edges[1:]
    assert [run.id for run in registry.lineage.producers(importer.writer.resolve("v0").id)] == ["first", "second"]


def test_commits_beside_imports_get_numbers_of_their_own(registry: Registry, registry_url: str, importer: Importer) -> None:
    importer.add(0, b"import 0", next_number=20)
    race(Kind.THREADS, registry_url, import_or_commit, range(1, 9))
    numbers = sorted(version.number for version in registry.versions.list(BIKE))
    assert numbers == [0, 2, 4, 6, 8, 20, 21, 22, 23]


def import_or_commit(registry: Registry, number: int) -> None:
    writer = Writer(registry)
    if number % 2:
        writer.log(b"own %d" % number)
    else:
        Importer(writer).add(number, b"import %d" % number, next_number=20)
