"""Changing what was logged: description, metadata, aliases, deletion; and the graph of runs and versions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import artfs
from artfs import errors
from artfs.client.artifact import Artifact
from artfs.client.session import SESSION
from artfs.config import load_config
from artfs.repository.gc import collect_garbage
from tests.client.making import build, content, log


@pytest.fixture
def logged() -> Artifact:
    with artfs.init() as run:
        return log(run, description="old", metadata={"a": 1, "deep": {"list": [1]}}, aliases=["best"])


def fresh(name: str = "bike-dataset:v0") -> Artifact:
    return artfs.Api().artifact(name)


def test_save_stores_what_was_changed_on_the_handle(logged: Artifact) -> None:
    artifact = fresh()
    artifact.description = "new"
    artifact.metadata["b"] = 2
    artifact.metadata["deep"]["list"].append(2)
    artifact.aliases.append("prod")
    artifact.aliases.remove("best")
    assert fresh().description == "old"
    artifact.save()
    seen = fresh()
    assert (seen.description, seen.metadata) == ("new", {"a": 1, "b": 2, "deep": {"list": [1, 2]}})
    assert seen.aliases == ["latest", "prod"]
    assert artifact.aliases == seen.aliases


def test_values_may_be_replaced_whole(logged: Artifact) -> None:
    artifact = fresh()
    artifact.metadata = {"only": [True]}
    artifact.aliases = ["replaced"]
    artifact.description = None
    artifact.save()
    seen = fresh()
    assert (seen.metadata, seen.aliases, seen.description) == ({"only": [True]}, ["replaced"], None)
    artifact.aliases = "single"  # type: ignore[assignment]
    del artifact.metadata["only"]
    artifact.save()
    assert (fresh().aliases, fresh().metadata) == (["single"], {})


def test_edits_of_two_handles_merge(logged: Artifact) -> None:
    one, two = fresh(), fresh()
    one.aliases.append("one")
    one.metadata["one"] = 1
    two.aliases.append("two")
    two.aliases.remove("best")
    two.metadata["two"] = 2
    two.description = "of two"
    two.save()
    one.save()
    seen = fresh()
    assert seen.aliases == ["latest", "one", "two"]
    assert seen.metadata == {"a": 1, "deep": {"list": [1]}, "one": 1, "two": 2}
    assert seen.description == "of two"
    assert (one.description, one.aliases, one.metadata) == (seen.description, seen.aliases, seen.metadata)


def test_removing_an_alias_that_has_moved_meanwhile_leaves_it_where_it_is(logged: Artifact) -> None:
    old = fresh()
    with artfs.init() as run:
        log(run, files={"x": b"2"}, aliases=["best"])
    old.aliases.remove("best")
    old.save()
    assert fresh("bike-dataset:best").version == "v1"


def test_an_alias_that_has_moved_is_brought_back_by_appending_it_again(logged: Artifact) -> None:
    old = fresh()
    with artfs.init() as run:
        log(run, files={"x": b"2"}, aliases=["best"])
    old.aliases.append("best")
    old.save()
    assert fresh("bike-dataset:best").version == "v0"
    assert fresh("bike-dataset:latest").version == "v1"


def test_metadata_is_checked_when_it_is_saved(logged: Artifact) -> None:
    logged.metadata["bad"] = {1, 2}
    with pytest.raises(TypeError, match="bad"):
        logged.save()
    logged.metadata["bad"] = True
    logged.save()
    logged.metadata["bad"] = 1  # equal in Python, not in JSON
    logged.save()
    assert fresh().metadata["bad"] is not True


def test_edits_between_logging_and_the_commit_are_kept_for_save() -> None:
    with artfs.init() as run:
        artifact = build(metadata={"a": 1})
        metadata = artifact.metadata
        run.log_artifact(artifact)
        metadata["b"] = 2
        artifact.wait()
        assert artifact.metadata is metadata
        assert artifact.metadata == {"a": 1, "b": 2}
        assert fresh().metadata == {"a": 1}
        artifact.save()
    assert fresh().metadata == {"a": 1, "b": 2}


def test_the_graph_can_be_walked_both_ways() -> None:
    with artfs.init(name="prepare", job_type="prepare", group="g") as prepare:
        log(prepare)
    with artfs.init(name="train", job_type="train") as train:
        data = train.use_artifact("bike-dataset:latest")
        train.use_artifact("bike-dataset:v0")
        log(train, "bike-model", type_name="model")
    model = fresh("bike-model:latest")
    trained = model.logged_by()
    assert trained is not None
    assert (trained.id, trained.name, trained.job_type, trained.state) == (train.id, "train", "train", "finished")
    (used,) = trained.used_artifacts()
    assert used.name == "bike-dataset:v0"
    prepared = used.logged_by()
    assert prepared is not None
    assert (prepared.group, prepared.entity, prepared.project) == ("g", "tester", "default")
    assert prepared.created_at <= trained.created_at
    (produced,) = prepared.logged_artifacts()
    (user,) = produced.used_by()
    assert user.id == train.id
    assert [artifact.name for artifact in user.logged_artifacts()] == ["bike-model:v0"]
    assert data.used_by()[0].id == train.id
    assert model.used_by() == []


def test_versions_without_aliases_can_be_deleted() -> None:
    with artfs.init() as run:
        for number in range(4):
            log(run, files={"x": b"%d" % number}, aliases=["keep"] if number == 1 else None)
    for version in artfs.Api().artifact_versions("dataset", "bike-dataset"):
        if len(version.aliases) == 0:
            version.delete()
    assert [version.version for version in artfs.Api().artifacts("dataset", "bike-dataset")] == ["v3", "v1"]
    for gone in ("v0", "v2"):
        with pytest.raises(LookupError):
            fresh(f"bike-dataset:{gone}")


def test_deleting_is_refused_while_aliased(logged: Artifact) -> None:
    with pytest.raises(errors.Conflict, match="best"):
        logged.delete()
    assert fresh().version == "v0"
    logged.delete(delete_aliases=True)
    assert logged.state == "DELETED"
    with pytest.raises(LookupError):
        fresh()
    uses: list[Callable[[], object]] = [logged.delete, logged.save, logged.download, logged.files, lambda: logged.aliases]
    for use in uses:
        with pytest.raises(LookupError, match="deleted"):
            use()
    assert (logged.version, logged.project) == ("v0", "default")
    producer = logged.logged_by()
    assert producer is not None
    assert [artifact.state for artifact in producer.logged_artifacts()] == ["DELETED"]


def test_numbers_are_never_given_again_and_deleted_content_can_be_logged_again(tmp_path: Path) -> None:
    with artfs.init() as run:
        log(run, files={"x": b"0"})
        log(run, files={"x": b"1", "y": b"only here"}).delete(delete_aliases=True)
        collect_garbage(SESSION.repository(load_config()), grace_s=0)
        collect_garbage(SESSION.repository(load_config()), grace_s=0)
        again = log(run, files={"x": b"1", "y": b"only here"})
        assert again.version == "v2"
    assert content(again, tmp_path / "again") == {"x": b"1", "y": b"only here"}
    assert content(fresh(), tmp_path / "first") == {"x": b"0"}


def test_versions_of_an_unknown_name_or_another_type(logged: Artifact) -> None:
    with pytest.raises(LookupError):
        artfs.Api().artifact_versions("dataset", "missing")
    with pytest.raises(ValueError, match="'model'"):
        artfs.Api().artifact_versions("model", "bike-dataset")


def test_handles_saved_by_many_threads_lose_nothing(logged: Artifact) -> None:
    def edit(number: int) -> None:
        artifact = fresh()
        artifact.metadata[f"key{number}"] = number
        artifact.aliases.append(f"alias{number}")
        artifact.save()

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = fresh()
    assert {f"key{number}" for number in range(8)} <= set(seen.metadata)
    assert {f"alias{number}" for number in range(8)} <= set(seen.aliases)
