"""Copies: the same versions at the destination, and only what it lacks is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artfs.config import Config
from artfs.errors import Conflict, IntegrityError, NotFound, UserError
from artfs.model.entry import pack_key
from artfs.model.names import ArtifactName
from artfs.model.records import RunState
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.fault.versions import assert_sound, commit, read_all, resolve
from tests.unit.repository.copying import (
    DATASET,
    FIRST,
    LONG,
    MODEL,
    SECOND,
    assert_same,
    copy_all,
    copy_as,
    facts,
    make_history,
    noise,
)


def test_a_copy_is_equal_in_everything_and_sound(repository: Repository, destination: Repository) -> None:
    make_history(repository)
    report = copy_all(repository, destination)
    assert_same(repository, destination)
    assert [version.number for version in report.artifacts[0].copied] == [0, 2, 3]
    assert destination.registry.aliases.list(DATASET) == {"best": 3, "first": 0, "latest": 3}
    assert (report.lineage.runs, report.lineage.edges, report.lineage.left_out, report.lineage.other_runs) == (2, 4, [], [])
    assert {run.id: run for run in destination.registry.runs.list("tester", "default")} == {
        run.id: run for run in repository.registry.runs.list("tester", "default")
    }
    assert destination.registry.imports.next_number(DATASET) == 4
    assert destination.registry.leases.list_active() == []


def test_copying_again_sends_nothing_and_changes_nothing(repository: Repository, destination: Repository) -> None:
    make_history(repository)
    copy_all(repository, destination)
    before, read = destination.objects.counts()["put"], repository.objects.counts()["read_range"]
    report = copy_all(repository, destination)
    assert destination.objects.counts()["put"] == before
    assert repository.objects.counts()["read_range"] == read
    assert [artifact.copied for artifact in report.artifacts] == [[], []]
    assert (report.bytes_sent, report.lineage.runs, report.lineage.edges) == (0, 0, 0)


def test_a_new_version_costs_what_changed(repository: Repository, destination: Repository) -> None:
    commit(repository, FIRST, artifact=DATASET)
    copy_all(repository, destination, [DATASET])
    commit(repository, SECOND, artifact=DATASET)
    before = repository.objects.counts()
    report = copy_all(repository, destination, [DATASET])
    assert report.bytes_sent < 100_000
    assert repository.objects.counts()["bytes_read"] - before["bytes_read"] < 100_000
    assert_same(repository, destination, [DATASET])


def test_what_the_destination_has_already_is_not_sent(repository: Repository, destination: Repository) -> None:
    big = {"big.bin": noise(1, 3_000_000)}
    commit(destination, big, artifact=MODEL)
    commit(repository, {**big, "small.bin": noise(2, 5000)}, artifact=DATASET)
    report = copy_all(repository, destination, [DATASET])
    assert report.bytes_sent < 20_000
    assert report.bytes_found >= 3_000_000
    assert_same(repository, destination, [DATASET])


def test_long_files_are_read_in_large_ranges_and_sent_once(repository: Repository, destination: Repository) -> None:
    commit(repository, {"long.bin": LONG, "twice/long.bin": LONG}, artifact=DATASET)
    before = repository.objects.counts()["read_range"]
    report = copy_all(repository, destination, [DATASET])
    # What was stored of it is three MiB of noise and the chunks at the seams, in windows of four MiB.
    assert report.bytes_sent < 30 << 20
    assert repository.objects.counts()["read_range"] - before < 40
    assert_same(repository, destination, [DATASET])


def test_files_of_one_directory_lie_together_at_the_destination(repository: Repository, destination: Repository) -> None:
    files = {f"{'ab'[number % 2]}/{number:03}": noise(number, 2000) for number in range(100)}
    commit(repository, files, artifact=DATASET)
    copy_all(repository, destination, [DATASET])
    manifest = destination.manifest(resolve(destination, "v0", DATASET))
    places = [entry.content.refs[0] for entry in manifest.iter_entries() if entry.content.refs]
    assert [(ref.pack, ref.offset) for ref in places] == sorted((ref.pack, ref.offset) for ref in places)


def test_a_copy_under_another_name_keeps_everything_else(repository: Repository, destination: Repository) -> None:
    make_history(repository)
    other = ArtifactName("team", "vision", "bikes")
    copy_as(repository, destination, {DATASET: other})
    assert_sound(destination)
    without_runs = [{**found, "producers": [], "consumers": []} for found in facts(repository, DATASET)]
    assert [{**found, "producers": [], "consumers": []} for found in facts(destination, other)] == without_runs
    runs = destination.registry.runs.list("team", "vision")
    assert {run.id for run in runs} == {"prepare", "train"}


def test_a_copy_for_another_entity_of_the_same_registry_has_bytes_of_its_own(config: Config, repository: Repository) -> None:
    make_history(repository)
    other = ArtifactName("somebody-else", "default", "bikes")
    with open_repository(config) as destination:
        report = copy_as(repository, destination, {DATASET: other})
        assert report.lineage.left_out == []
        assert report.bytes_sent > 900_000
        assert_sound(destination)
        ours = {pack for version in repository.registry.versions.list(DATASET) for pack in _packs(repository, version.id)}
        theirs = {pack for version in destination.registry.versions.list(other) for pack in _packs(destination, version.id)}
        assert not ours & theirs
        assert read_all(destination, resolve(destination, "latest", other)) == read_all(
            repository, resolve(repository, "latest", DATASET)
        )
        # The runs are those there are.
        assert facts(destination, other) == facts(repository, DATASET)


def test_a_copy_within_one_entity_sends_no_content(config: Config, repository: Repository) -> None:
    make_history(repository)
    other = ArtifactName("tester", "other", "bikes")
    with open_repository(config) as destination:
        report = copy_as(repository, destination, {DATASET: other})
        assert report.bytes_sent < 1000
        assert facts(destination, other) == facts(repository, DATASET)
        assert_sound(destination)


def test_an_artifact_cannot_be_copied_to_itself(config: Config, repository: Repository) -> None:
    make_history(repository)
    with open_repository(config) as destination, pytest.raises(UserError, match="cannot be copied to itself"):
        copy_all(repository, destination, [DATASET])


def test_a_number_with_other_content_is_a_conflict_that_changes_nothing(repository: Repository, destination: Repository) -> None:
    make_history(repository)
    commit(destination, {"own.txt": b"own"}, artifact=DATASET)
    before = destination.objects.counts()["put"]
    with pytest.raises(Conflict, match="tester/default/bike-dataset:v0 at the destination has other content"):
        copy_all(repository, destination, [DATASET])
    assert destination.objects.counts()["put"] == before
    assert [version.number for version in destination.registry.versions.list(DATASET)] == [0]


def test_content_under_another_number_is_a_conflict(repository: Repository, destination: Repository) -> None:
    make_history(repository)
    other = ArtifactName("tester", "default", "other")
    commit(repository, {"a": b"a"}, artifact=other)
    commit(repository, {"b": b"b"}, artifact=other)
    repository.registry.versions.delete(resolve(repository, "v0", other).id)
    commit(destination, {"b": b"b"}, artifact=other)
    with pytest.raises(Conflict, match=r"the content of tester/default/other:v1 is at the destination already, as .*other:v0"):
        copy_all(repository, destination, [other])


def test_an_artifact_of_another_type_is_refused(repository: Repository, destination: Repository) -> None:
    commit(repository, FIRST, artifact=DATASET)
    destination.registry.collections.ensure(DATASET, "model")
    with pytest.raises(UserError, match=r"has the type 'model', .* has 'dataset'"):
        copy_all(repository, destination, [DATASET])


def test_one_that_does_not_exist_is_not_found(repository: Repository, destination: Repository) -> None:
    with pytest.raises(NotFound, match="there is no artifact tester/default/bike-dataset"):
        copy_all(repository, destination, [DATASET])


def test_a_version_that_was_deleted_at_the_destination_does_not_come_back(repository: Repository, destination: Repository) -> None:
    make_history(repository)
    copy_all(repository, destination, [DATASET])
    destination.registry.versions.delete(resolve(destination, "v0", DATASET).id, delete_aliases=True)
    report = copy_all(repository, destination, [DATASET])
    assert [version.number for version in report.artifacts[0].plan.deleted] == [0]
    assert [version.number for version in destination.registry.versions.list(DATASET)] == [3, 2]
    assert destination.registry.aliases.list(DATASET) == {"best": 3, "latest": 3}


def test_aliases_follow_the_source_and_leave_those_of_the_destination_s_own_versions(
    repository: Repository, destination: Repository
) -> None:
    make_history(repository)
    copy_all(repository, destination, [DATASET])
    commit(destination, {"own.txt": b"own"}, aliases=["mine"], artifact=DATASET)
    repository.registry.aliases.set(DATASET, "best", 0)
    repository.registry.aliases.set(DATASET, "mine", 2)
    moves = copy_all(repository, destination, [DATASET]).artifacts[0].aliases
    assert (moves.placed, moves.left) == ({"best": 0}, {"latest": 4, "mine": 4})
    forced = copy_all(repository, destination, [DATASET], force=True).artifacts[0].aliases
    assert forced.placed == {"latest": 3, "mine": 2}


def test_lineage_to_what_was_not_copied_is_left_out_and_comes_with_it_later(
    repository: Repository, destination: Repository
) -> None:
    make_history(repository)
    lineage = copy_all(repository, destination, [MODEL]).lineage
    assert (lineage.runs, lineage.edges, lineage.left_out) == (1, 1, ["tester/default/bike-dataset:v0"])
    assert copy_all(repository, destination, [DATASET]).lineage.left_out == []
    assert_same(repository, destination)


def test_a_run_whose_id_belongs_to_another_run_is_said_and_left_alone(repository: Repository, destination: Repository) -> None:
    make_history(repository)
    destination.registry.runs.create("tester", "default", run_id="prepare")
    lineage = copy_all(repository, destination).lineage
    assert lineage.other_runs == ["prepare"]
    assert destination.registry.lineage.producers(resolve(destination, "v0", DATASET).id) == []


def test_a_run_that_has_ended_meanwhile_is_brought_up_to_date(repository: Repository, destination: Repository) -> None:
    make_history(repository)
    copy_all(repository, destination)
    repository.registry.runs.finish("train", RunState.FAILED)
    copy_all(repository, destination)
    assert destination.registry.runs.get("train") == repository.registry.runs.get("train")


def test_an_artifact_without_versions_is_copied_too(repository: Repository, destination: Repository) -> None:
    repository.registry.collections.ensure(DATASET, "dataset")
    copy_all(repository, destination, [DATASET])
    assert destination.registry.collections.get(DATASET).type == "dataset"


def test_a_damaged_chunk_is_noticed_and_nothing_of_its_version_appears(
    config: Config, repository: Repository, destination: Repository
) -> None:
    version = commit(repository, {"a.bin": noise(1, 200_000)}, artifact=DATASET).version
    (entry,) = repository.manifest(version).iter_entries()
    ref = entry.content.refs[1]
    path = Path(config.objects.removeprefix("file://")) / pack_key(ref.pack)
    data = bytearray(path.read_bytes())
    data[ref.offset + 10] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="is damaged"):
        copy_all(repository, destination, [DATASET])
    assert destination.registry.versions.list(DATASET) == []
    assert_sound(destination)


def _packs(repository: Repository, version_id: int) -> frozenset[Any]:
    return repository.registry.versions.needed_packs(version_id)
