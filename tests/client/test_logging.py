"""Logging: versions, aliases, deduplication, order, and using what was logged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import artfs
from artfs import errors
from artfs.model.records import VersionRecord
from tests.client.making import build, content, log


def labels(name: str = "bike-dataset", type_name: str = "dataset") -> list[str]:
    return [version.version for version in artfs.Api().artifact_versions(type_name, name)]


def test_log_order_is_version_order() -> None:
    with artfs.init() as run:
        artifacts = [run.log_artifact(build(files={"number": b"%d" % number})) for number in range(12)]
    assert [artifact.version for artifact in artifacts] == [f"v{number}" for number in range(12)]
    assert labels() == [f"v{number}" for number in reversed(range(12))]


def test_wait_returns_the_artifact_and_it_has_its_version() -> None:
    with artfs.init() as run:
        artifact = build()
        assert run.log_artifact(artifact) is artifact
        assert artifact.wait() is artifact
        assert (artifact.name, artifact.version, artifact.type) == ("bike-dataset:v0", "v0", "dataset")
        assert (artifact.size, artifact.file_count, artifact.state, artifact.is_draft()) == (3, 1, "COMMITTED", False)
        assert artifact.qualified_name == "tester/default/bike-dataset:v0"


def test_what_a_version_has_waits_for_the_commit_under_way() -> None:
    with artfs.init() as run:
        assert run.log_artifact(build()).version == "v0"
        assert run.log_artifact(build("other")).aliases == ["latest"]


def test_wait_gives_up_after_its_timeout() -> None:
    go_on = threading.Event()
    with artfs.init() as run:
        first = log(run, "first")

        def slow() -> VersionRecord:
            go_on.wait(60)
            return first._core.require("version")

        run._uploader().submit("something slow", slow)
        artifact = run.log_artifact(build())
        with pytest.raises(TimeoutError, match="bike-dataset"):
            artifact.wait(timeout=0.01)
        assert "being logged" in repr(artifact)
        assert artifact.name == "bike-dataset"
        go_on.set()
        assert artifact.wait(timeout=60).version == "v0"


def test_the_digest_is_known_before_and_does_not_depend_on_order_or_local_paths(tmp_path: Path) -> None:
    first = build(files={"a": b"1", "b/c": b"2"})
    second = artfs.Artifact("other", type="dataset")
    (tmp_path / "some").write_bytes(b"2")
    (tmp_path / "thing").write_bytes(b"1")
    second.add_file(tmp_path / "some", name="b/c")
    second.add_file(tmp_path / "thing", name="a")
    draft_digest = first.digest
    assert draft_digest == second.digest
    with artfs.init() as run:
        assert run.log_artifact(first).wait().digest == draft_digest


def test_a_renamed_path_is_a_new_version_and_metadata_alone_is_not() -> None:
    with artfs.init() as run:
        assert log(run, files={"a": b"1"}, metadata={"k": 1}).version == "v0"
        assert log(run, files={"b": b"1"}).version == "v1"
        assert log(run, files={"a": b"1"}, metadata={"k": 2}).version == "v0"


def test_content_of_any_version_is_reused_and_latest_goes_back() -> None:
    with artfs.init() as run:
        a = log(run, files={"x": b"A"})
        b = log(run, files={"x": b"B"})
        again = log(run, files={"x": b"A"}, aliases="back")
    assert [a.version, b.version, again.version] == ["v0", "v1", "v0"]
    assert artfs.Api().artifact("bike-dataset").version == "v0"
    assert again.aliases == ["back", "latest"]
    assert artfs.Api().artifact("bike-dataset:v1").aliases == []
    assert labels() == ["v1", "v0"]


def test_a_reused_version_has_another_producer_and_takes_new_notes_with_a_notice(capsys: pytest.CaptureFixture[str]) -> None:
    with artfs.init(name="first") as run:
        log(run, description="old", metadata={"kept": 1, "changed": 1})
    assert capsys.readouterr().err == ""
    with artfs.init(name="second") as run:
        log(run, description="new", metadata={"changed": 2})
        assert [artifact.name for artifact in run.logged_artifacts()] == ["bike-dataset:v0"]
    told = capsys.readouterr().err
    assert "no new version" in told
    assert "description and metadata of v0 were updated" in told
    version = artfs.Api().artifact("bike-dataset:v0")
    assert (version.description, version.metadata) == ("new", {"kept": 1, "changed": 2})
    producer = version.logged_by()
    assert producer is not None
    assert producer.name == "first"


def test_aliases_are_added_to_latest_and_a_text_is_one_alias() -> None:
    with artfs.init() as run:
        assert log(run, "one", aliases="best-ap50").aliases == ["best-ap50", "latest"]
        assert log(run, "two", aliases=["latest", "b", "a", "b"]).aliases == ["a", "b", "latest"]
        assert log(run, "three", aliases=None).aliases == ["latest"]
        assert log(run, "four", aliases=[]).aliases == ["latest"]


def test_an_alias_lives_on_one_version() -> None:
    with artfs.init() as run:
        log(run, files={"x": b"1"}, aliases=["best"])
        log(run, files={"x": b"2"}, aliases=["best"])
    api = artfs.Api()
    assert api.artifact("bike-dataset:best").version == "v1"
    assert api.artifact("bike-dataset:v0").aliases == []


@pytest.mark.parametrize("alias", ["a/b", "a:b", "v7", "staging", ".hidden", "", "x" * 129, "line\n"])
def test_an_alias_that_cannot_be_is_refused_at_once(alias: str) -> None:
    artifact = build()
    with artfs.init() as run:
        with pytest.raises(ValueError, match="alias"):
            run.log_artifact(artifact, aliases=[alias])
        with pytest.raises(TypeError):
            run.log_artifact(artifact, aliases=[7])  # type: ignore[list-item]
        version = run.log_artifact(artifact).wait()
        with pytest.raises(ValueError, match="alias"):
            version.aliases.append(alias)
        with pytest.raises(ValueError, match="alias"):
            version.aliases = [alias]
        assert version.aliases == ["latest"]


def test_a_name_has_one_type() -> None:
    with artfs.init() as run:
        log(run)
        with pytest.raises(ValueError, match="'dataset'"):
            run.log_artifact(build(type_name="model"))
    with artfs.init() as run:
        run.log_artifact(build("new", type_name="model"))
        with pytest.raises(ValueError, match="'model'"):
            run.log_artifact(build("new"))
        with pytest.raises(ValueError, match="'model'"):
            run.use_artifact(build("new"))


def test_a_path_is_logged_with_a_name_and_a_type(tmp_path: Path) -> None:
    Path("model.h5").write_bytes(b"weights")
    Path("images").mkdir()
    Path("images/cat.png").write_bytes(b"cat")
    with artfs.init(id="abc") as run:
        model = run.log_artifact("model.h5", name="bike-model", type="model", aliases=["best"])
        assert (model.name.partition(":")[0], model.type, model.wait().aliases) == ("bike-model", "model", ["best", "latest"])
        unnamed = run.log_artifact(Path("images"))
        assert unnamed.wait().name == "run-abc-images:v0"
        assert unnamed.type == "unspecified"
        assert content(unnamed, tmp_path / "out") == {"cat.png": b"cat"}
        with pytest.raises(ValueError, match="missing"):
            run.log_artifact("missing")
        with pytest.raises(TypeError):
            run.log_artifact(7)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="name"):
            run.log_artifact(build(), name="another")


def test_a_version_that_is_logged_again_gets_aliases_and_another_producer() -> None:
    with artfs.init() as run:
        first = log(run, files={"x": b"1"})
        log(run, files={"x": b"2"})
    with artfs.init() as run:
        assert run.log_artifact(first, aliases=["again"]).wait().aliases == ["again", "latest"]
        assert [artifact.name for artifact in run.logged_artifacts()] == ["bike-dataset:v0"]
        pending = run.log_artifact(build("pending"))
        run.log_artifact(pending, aliases=["twice"])
        assert pending.wait().aliases == ["latest", "twice"]


def test_construct_and_use_logs_what_is_unknown_and_finds_what_is_known() -> None:
    with artfs.init() as run:
        unknown = build("bike-model", type_name="model")
        assert run.use_artifact(unknown) is unknown
        assert (unknown.version, unknown.aliases) == ("v0", ["latest"])
        log(run, "bike-model", {"data.bin": b"two"}, type_name="model")
    with artfs.init() as run:
        known = run.use_artifact(build("bike-model", type_name="model"), aliases=["used"])
        assert (known.version, known.aliases) == ("v0", ["used"])
        assert [artifact.name for artifact in run.used_artifacts()] == ["bike-model:v0"]
        assert run.logged_artifacts() == []
    assert artfs.Api().artifact("bike-model").version == "v1"
    assert labels("bike-model", "model") == ["v1", "v0"]


def test_what_this_run_has_just_logged_can_be_used() -> None:
    with artfs.init() as run:
        artifact = run.log_artifact(build())
        assert run.use_artifact("bike-dataset:latest").version == "v0"
        assert run.use_artifact(artifact) is artifact


def test_use_finds_versions_by_all_names_and_marks_once() -> None:
    with artfs.init(project="p1") as run:
        log(run, aliases=["best"])
    with artfs.init(project="p2", entity="others") as run:
        for name in ("tester/p1/bike-dataset", "tester/p1/bike-dataset:v0", "tester/p1/bike-dataset:best"):
            assert run.use_artifact(name, type="dataset").version == "v0"
        with pytest.raises(LookupError):
            run.use_artifact("p1/bike-dataset:v0")
        assert [artifact.qualified_name for artifact in run.used_artifacts()] == ["tester/p1/bike-dataset:v0"]
    with artfs.init(project="p2") as run:
        assert run.use_artifact("p1/bike-dataset:v0", aliases=["marked"]).aliases == ["best", "latest", "marked"]
    version = artfs.Api().artifact("p1/bike-dataset:v0")
    assert [user.project for user in version.used_by()] == ["p2", "p2"]


def test_a_version_that_is_not_there_is_a_lookup_error_and_a_value_error() -> None:
    with artfs.init() as run:
        log(run)
        for name in ("missing", "missing:v0", "bike-dataset:v1", "bike-dataset:nobody", "nowhere/bike-dataset:v0"):
            for find in (run.use_artifact, artfs.Api().artifact):
                with pytest.raises(LookupError):
                    find(name)
                with pytest.raises(ValueError, match=r"there is no|has no"):
                    find(name)
            assert not artfs.Api().artifact_exists(name)
        with pytest.raises(ValueError, match="'model'"):
            run.use_artifact("bike-dataset:v0", type="model")
        with pytest.raises(ValueError, match="'model'"):
            artfs.Api().artifact("bike-dataset:v0", type="model")
        with pytest.raises(ValueError, match="ENTITY/PROJECT/NAME"):
            run.use_artifact("a/b/c/d:v0")
        with pytest.raises(TypeError):
            run.use_artifact(7)  # type: ignore[arg-type]
        assert artfs.Api().artifact_exists("bike-dataset:v0", type="dataset")


def test_content_taken_in_for_one_entity_can_be_logged_to_another(tmp_path: Path) -> None:
    files = {"small": b"small", "large": b"0123456789abcdef" * (10 << 16), "empty": b"", "below/script": b"#!/bin/sh\n"}
    artifact = build(files=files)
    Path("folder/nothing").mkdir(parents=True)
    artifact.add_dir("folder")
    with artfs.init(entity="others", project="far") as run:
        assert run.log_artifact(artifact).wait().qualified_name == "others/far/bike-dataset:v0"
    digest = artifact.digest
    assert content(artifact, tmp_path / "out") == files
    assert (tmp_path / "out" / "nothing").is_dir()
    with artfs.init() as run:
        assert log(run, files=files).digest != digest  # it has no empty directory


def test_what_failed_in_the_background_is_raised_by_wait_and_only_once() -> None:
    run = artfs.init()
    artifact = run.log_artifact(build())
    artifact.wait().delete(delete_aliases=True)
    again = run.log_artifact(build("other"))
    gone = run._uploader().submit("gone", lambda: artifact._core.require("bytes"))
    with pytest.raises(errors.NotFound, match="deleted"):
        gone.wait()
    assert again.wait().version == "v0"
    run.finish()
    assert run.state == "finished"


def test_a_version_that_could_not_be_logged_again_is_still_that_version() -> None:
    with artfs.init() as run:
        seen = log(run)
        other = artfs.Api().artifact("bike-dataset:v0")
        other.delete(delete_aliases=True)
        with pytest.raises(errors.NotFound, match="deleted"):
            run.log_artifact(seen).wait()
        assert seen.version == "v0"


def test_finish_raises_what_nobody_has_seen_and_the_run_has_failed() -> None:
    run = artfs.init()
    deleted = log(run)
    deleted.delete(delete_aliases=True)
    run._uploader().submit("gone", lambda: deleted._core.require("bytes"))
    with pytest.raises(errors.NotFound, match="deleted"):
        run.finish()
    run.finish()
    assert artfs.Api().run(run.id).state == "failed"


def test_logging_to_a_run_that_has_finished_is_refused() -> None:
    run = artfs.init()
    run.finish()
    calls: list[Callable[[], object]] = [lambda: run.log_artifact(build()), lambda: run.use_artifact("x")]
    for call in calls:
        with pytest.raises(ValueError, match="finished"):
            call()
