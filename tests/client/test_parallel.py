"""Runs that build one version together: what is contributed, what becomes of it, and what is refused."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import artfs
from artfs import errors
from artfs.client.artifact import core_of
from artfs.client.session import SESSION
from artfs.client.uploads import Uploader
from artfs.config import load_config
from artfs.repository.verify import verify_repository
from tests.client.making import build, content, log
from tests.client.together import count_versions, finish, upsert


def test_what_runs_contribute_becomes_one_version(tmp_path: Path) -> None:
    for number in range(3):
        upsert({f"parts/{number}": b"%d" % number}, f"w{number}")
    finished = finish({"whole": b"all"})
    assert (finished.version, finished.state, finished.aliases) == ("v0", "COMMITTED", ["latest"])
    assert content(finished, tmp_path / "out") == {"parts/0": b"0", "parts/1": b"1", "parts/2": b"2", "whole": b"all"}
    assert count_versions() == 1


def test_nobody_sees_a_contribution_before_the_finish() -> None:
    upsert({"a": b"a"})
    assert count_versions() == 0
    with pytest.raises(LookupError):
        artfs.Api().artifact("parts:latest")
    assert artfs.Api().run("a").logged_artifacts() == []


def test_all_who_contributed_are_producers_in_that_order() -> None:
    for run in ("b", "a", "b"):
        upsert({run: b"1"}, run)
    finished = finish()
    producers = SESSION.repository(load_config()).registry.lineage.producers(finished._core.require("version").id)
    assert [run.id for run in producers] == ["b", "a", "z"]
    first = finished.logged_by()
    assert first is not None
    assert first.id == "b"
    assert [artifact.name for artifact in artfs.Api().run("a").logged_artifacts()] == ["parts:v0"]


def test_who_looks_at_an_artifact_does_not_wait_for_its_contribution() -> None:
    with artfs.init(id="a", group="g") as run:
        artifact = build("parts", {"a": b"a"})
        registry = load_config().registry.removeprefix("sqlite:///")
        with closing(sqlite3.connect(registry, isolation_level=None)) as other, ThreadPoolExecutor(1) as threads:
            other.execute("BEGIN IMMEDIATE")  # nothing can be contributed until this ends
            contributing = threads.submit(run.upsert_artifact, artifact)
            while not artifact._core._handing_over.locked():
                assert not contributing.done()
            assert artifact.state == "DRAFT"
            assert not contributing.done()
            other.execute("ROLLBACK")
            assert contributing.result(30).state == "CONTRIBUTED"


def test_the_id_is_the_group_of_the_run_and_without_both_it_is_a_type_error() -> None:
    with artfs.init() as run:
        for call in (run.upsert_artifact, run.finish_artifact):
            artifact = build("parts")
            with pytest.raises(TypeError, match="needs a distributed_id, or a run with a group"):
                call(artifact)
            artifact.add_file(__file__)  # a refused call does not make it final
        run.upsert_artifact(build("parts", {"a": b"a"}), distributed_id="g")
    assert finish(group="g").file_count == 1


def test_a_run_that_goes_on_takes_the_group_that_it_is_told() -> None:
    upsert({"a": b"a"}, "worker", "monday")
    upsert({"b": b"b"}, "worker", "tuesday")
    assert artfs.Api().run("worker").group == "tuesday"
    with artfs.init(id="worker") as run:
        assert run.group == "tuesday"
        assert [entry.path for entry in run.finish_artifact(build("parts", {})).files()] == ["b"]


@pytest.mark.parametrize("wrong", ["", "x" * 257, "a\nb", 7])
def test_an_id_that_cannot_be_is_refused(wrong: Any) -> None:
    with artfs.init(group="g") as run, pytest.raises((ValueError, TypeError), match="distributed_id"):
        run.upsert_artifact(build("parts"), distributed_id=wrong)


def test_ids_do_not_mix_and_neither_do_names() -> None:
    upsert({"a": b"a"}, "a", "one")
    upsert({"b": b"b"}, "b", "two")
    upsert({"c": b"c"}, "c", "one", name="others")
    assert [entry.path for entry in finish(group="one").files()] == ["a"]
    assert [entry.path for entry in finish(group="two").files()] == ["b"]
    assert [entry.path for entry in finish(group="one", name="others").files()] == ["c"]


def test_after_the_finish_the_next_version_begins() -> None:
    upsert({"a": b"a"})
    assert finish().version == "v0"
    upsert({"b": b"b"})
    finished = finish()
    assert (finished.version, [entry.path for entry in finished.files()]) == ("v1", ["b"])


def test_aliases_description_and_metadata_are_merged() -> None:
    with artfs.init(group="g") as run:
        run.upsert_artifact(build("parts", {"a": b"a"}, description="first", metadata={"a": 1, "both": 1}), aliases="one")
        run.upsert_artifact(build("parts", {"b": b"b"}, description="second", metadata={"b": 2, "both": 2}), aliases=["two"])
        finished = run.finish_artifact(build("parts", {}, metadata={"z": 3}), aliases=["three"])
        assert sorted(finished.aliases) == ["latest", "one", "three", "two"]
        assert (finished.description, finished.metadata) == ("second", {"a": 1, "both": 2, "b": 2, "z": 3})


def test_a_finish_without_contributions_logs_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished = finish({"a": b"a"}, aliases="best")
    assert (finished.version, sorted(finished.aliases)) == ("v0", ["best", "latest"])
    assert content(finished, tmp_path / "out") == {"a": b"a"}
    said = "artfs: parts: nothing was contributed under the distributed_id 'g'"
    assert said in capsys.readouterr().err
    upsert({"b": b"b"})
    finish()
    assert said not in capsys.readouterr().err


def test_to_finish_again_gives_the_version_that_was_finished(capsys: pytest.CaptureFixture[str]) -> None:
    upsert({"a": b"a"})
    first = finish({"whole": b"all"}, aliases="best")
    with artfs.init() as run:
        log(run, "parts", {"later": b"later"})
    for files in ({}, {"whole": b"all"}):  # one that brings what it brought before is a repetition, too
        again = finish(files, run="retry", aliases="again")
        assert (again.version, again.digest, again.aliases) == ("v0", first.digest, ["again", "best"])
    said = capsys.readouterr().err
    assert "parts: this content is v0 already, so no new version was made" in said
    assert "nothing was contributed" not in said
    assert (count_versions(), artfs.Api().artifact("parts:latest").version) == (2, "v1")
    producers = SESSION.repository(load_config()).registry.lineage.producers(first._core.require("version").id)
    assert [run.id for run in producers] == ["a", "z", "retry"]


def test_a_finish_of_nothing_is_refused_and_the_artifact_is_as_before() -> None:
    upsert({"a": b"a"})
    whole = artfs.Artifact("parts", type="dataset", description="whole")
    with artfs.init(group="g") as run:
        with pytest.raises(LookupError, match=r"parts has nothing to finish under the distributed_id 'h': .* waits \('g'\)"):
            run.finish_artifact(whole, distributed_id="h")
        assert (whole.state, count_versions()) == ("DRAFT", 0)
        assert run.finish_artifact(whole).version == "v0"


def test_content_that_is_a_version_already_is_reused_with_a_notice(capsys: pytest.CaptureFixture[str]) -> None:
    with artfs.init(id="first") as run:
        log(run, "parts", {"a": b"a", "b": b"b"})
    upsert({"a": b"a"}, "a")
    finished = finish({"b": b"b"})
    assert (finished.version, count_versions()) == ("v0", 1)
    assert "parts: this content is v0 already" in capsys.readouterr().err
    assert [artifact.name for artifact in artfs.Api().run("a").logged_artifacts()] == ["parts:v0"]


def test_a_contribution_is_final_and_no_version() -> None:
    part = upsert({"a": b"a"})
    assert (part.name, part.state, part.is_draft(), part.file_count, part.size) == ("parts", "CONTRIBUTED", True, 1, 1)
    assert "contributed, not finished" in repr(part)
    with pytest.raises(errors.ReadOnly, match="'parts' was logged, used or contributed, so its content is final"):
        part.add_file(__file__)
    uses: list[Any] = [lambda: part.version, part.wait, part.download, lambda: part.aliases, part.delete, part.used_by]
    for use in uses:
        with pytest.raises(AttributeError, match=r"is a contribution .* run.finish_artifact\(\) makes the version"):
            use()


def test_a_contribution_may_be_contributed_finished_or_logged_again(tmp_path: Path) -> None:
    part = upsert({"a": b"a"})
    with artfs.init(group="g") as run:
        run.upsert_artifact(part)
        run.upsert_artifact(part, distributed_id="another")
        assert run.finish_artifact(part).version == "v0"
    assert content(part, tmp_path / "out") == {"a": b"a"}
    other = upsert({"b": b"b"}, "b")
    with artfs.init() as run:
        assert run.log_artifact(other).wait(60).version == "v1"


def test_what_was_logged_cannot_be_contributed() -> None:
    with artfs.init(group="g") as run:
        logged = log(run, "parts")
        for call in (run.upsert_artifact, run.finish_artifact):
            with pytest.raises(ValueError, match="parts:v0 was logged or used already: build a new Artifact"):
                call(logged)


def test_what_another_thread_has_handed_over_meanwhile_is_not_handed_over_as_empty() -> None:
    with artfs.init(group="g") as run:
        whole = run.finish_artifact(build("parts", {"a": b"a"}))
        assert whole.version == "v0"
        core = core_of(whole)  # behind the checks that both threads have passed
        for call in (core.finish, core.contribute):
            with pytest.raises(ValueError, match="parts:v0 was logged or used already: build a new Artifact"):
                call(load_config(), (), run.id, "g", overwrite=False)
        assert not core.use(Uploader(), load_config(), (), run.id)
    assert count_versions() == 1


def test_all_contributions_to_a_name_have_its_type() -> None:
    upsert({"a": b"a"})
    with artfs.init(group="g") as run:
        other = artfs.Artifact("parts", type="model")
        for call in (run.upsert_artifact, run.finish_artifact, run.log_artifact):
            with pytest.raises(ValueError, match="holds artifacts of type 'dataset', not 'model'"):
                call(other)
        assert other.state == "DRAFT"


def test_references_are_contributed_as_they_are(tmp_path: Path) -> None:
    source = tmp_path / "large.bin"
    source.write_bytes(b"stays where it is")
    for run_id in ("a", "b"):
        with artfs.init(id=run_id, group="g") as run:
            artifact = artfs.Artifact("parts", type="dataset")
            artifact.add_reference(source.as_uri(), name=f"{run_id}.bin")
            artifact.add_reference(source.as_uri(), name="shared.bin")
            run.upsert_artifact(artifact)
    finished = finish()
    assert finished.get_path("a.bin").ref() == finished.get_path("shared.bin").ref() == source.as_uri()
    assert content(finished, tmp_path / "out") == dict.fromkeys(("a.bin", "b.bin", "shared.bin"), source.read_bytes())


def test_empty_directories_and_empty_artifacts_are_contributed(tmp_path: Path) -> None:
    (tmp_path / "in/empty").mkdir(parents=True)
    with artfs.init(group="g") as run:
        artifact = artfs.Artifact("parts", type="dataset")
        artifact.add_dir(tmp_path / "in")
        run.upsert_artifact(artifact)
        run.upsert_artifact(artfs.Artifact("parts", type="dataset"))
    assert (Path(finish().download(tmp_path / "out")) / "empty").is_dir()


def test_paths_may_be_contributed_and_finished(workplace: Path) -> None:
    (workplace / "part").write_bytes(b"1")
    (workplace / "folder").mkdir()
    (workplace / "folder/whole").write_bytes(b"2")
    with artfs.init(group="g"):
        artfs.upsert_artifact("part", name="parts", type="dataset")
        finished = artfs.finish_artifact("folder", name="parts", type="dataset")
        assert [entry.path for entry in finished.files()] == ["part", "whole"]
        with pytest.raises(TypeError, match=r"upsert_artifact\(\) takes an Artifact or a path"):
            artfs.upsert_artifact(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"finish_artifact\(\) needs a run"):
        artfs.finish_artifact("part")


def test_a_finish_comes_after_what_the_run_has_logged_before() -> None:
    with artfs.init(group="g") as run:
        logged = run.log_artifact(build("parts", {"a": os.urandom(1 << 20)}))
        finished = run.finish_artifact(build("parts", {"b": b"b"}))
        assert (logged.version, finished.version) == ("v0", "v1")


def test_content_taken_in_for_one_entity_can_be_contributed_to_another(tmp_path: Path) -> None:
    part, whole = build("parts", {"a": b"a"}), build("parts", {"b": b"b"})
    with artfs.init(entity="others", group="g") as run:
        run.upsert_artifact(part)
        run.upsert_artifact(build("parts", {"b": b"not b"}), distributed_id="h")
        with pytest.raises(errors.Conflict):
            artfs.init(entity="others", group="h", reinit="create_new").finish_artifact(whole)
        finished = run.finish_artifact(whole)
        assert finished.entity == "others"
        assert content(finished, tmp_path / "out") == {"a": b"a", "b": b"b"}
        foreign = run.upsert_artifact(build("more", {"a": b"a"}))
    with artfs.init(group="g") as run, pytest.raises(ValueError, match="for one entity cannot be logged to another"):
        run.upsert_artifact(foreign)


def test_a_store_that_cannot_be_written_is_told_at_once(environ: dict[str, str]) -> None:
    part, before = build("parts", {"a": b"a"}), upsert({"before": b"before"})
    objects = Path(environ["ARTFS_HOME"], "data", "objects")
    objects.rename(objects.with_name("gone"))
    objects.write_text("not a directory")
    with artfs.init(group="g") as run:
        with pytest.raises(errors.TransientError):
            run.upsert_artifact(part)
        assert (part.state, part.is_draft()) == ("FAILED", True)
        for call in (run.upsert_artifact, run.finish_artifact):
            with pytest.raises(ValueError, match=r"parts could not be stored before, .*: build a new Artifact"):
                call(part)
        whole = build("parts", {"b": b"b"})
        with pytest.raises(errors.TransientError):
            run.finish_artifact(whole, distributed_id="another")
        assert whole.state == "FAILED"
        run.upsert_artifact(before)  # all of it is stored already
        with pytest.raises(errors.ArtfsError):
            run.finish_artifact(before)
        assert before.state == "CONTRIBUTED"
        objects.unlink()
        objects.with_name("gone").rename(objects)
        assert [entry.path for entry in run.finish_artifact(before).files()] == ["before"]


def test_threads_of_one_run_contribute_together(tmp_path: Path) -> None:
    with artfs.init(group="g") as run:
        threads = [
            threading.Thread(target=run.upsert_artifact, args=(build("parts", {f"{number}": b"%d" % number}),))
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        finished = run.finish_artifact(build("parts", {}))
    assert content(finished, tmp_path / "out") == {f"{number}": b"%d" % number for number in range(8)}


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_forked_children_contribute_to_the_run_of_their_parent(tmp_path: Path) -> None:
    part = artfs.Artifact("parts", type="dataset")
    with artfs.init(group="g") as run:
        run.upsert_artifact(build("parts", {"parent": b"parent"}))
        child = os.fork()
        if not child:  # whatever happens, the child must not go on with the tests
            try:
                with part.new_file("child") as file:
                    file.write("child")
                run.upsert_artifact(part)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        finished = run.finish_artifact(build("parts", {}))
    assert content(finished, tmp_path / "out") == {"parent": b"parent", "child": b"child"}


def test_a_pool_of_processes_hands_on_what_a_finish_raises() -> None:
    for number in range(2):
        upsert({"x": b"%d" % number}, f"w{number}")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(finish).exception(120)
    assert isinstance(error, errors.ContributionsDiffer)
    assert (error.path, error.writers) == ("x", ("w0", "w1"))


def test_a_contribution_survives_its_process(environ: dict[str, str], tmp_path: Path) -> None:
    text = """
import artfs, os, signal
run = artfs.init(group="g")
artifact = artfs.Artifact("parts", type="dataset")
with artifact.new_file("data.bin", "wb") as file:
    file.write(bytes(100_000))
run.upsert_artifact(artifact)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", text], env=environ, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert content(finish(), tmp_path / "out") == {"data.bin": bytes(100_000)}
    assert verify_repository(SESSION.repository(load_config()), read_data=True).problems == []
