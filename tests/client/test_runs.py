"""Runs: beginning and ending them, the current one, and the calls that mean it."""

from __future__ import annotations

import argparse
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import artfs
from artfs import errors
from tests.client.making import build, current


def test_a_run_knows_what_it_was_begun_with() -> None:
    with artfs.init(
        project="bikes", entity="team", group="night", job_type="train", name="try 1", config={"lr": 0.1}, id="r1"
    ) as run:
        assert (run.project, run.entity, run.group, run.job_type, run.name, run.id) == (
            "bikes",
            "team",
            "night",
            "train",
            "try 1",
            "r1",
        )
        assert (run.config["lr"], run.config.lr, run.state) == (0.1, 0.1, "running")
    recorded = artfs.Api().run("team/bikes/r1")
    assert (recorded.name, recorded.state, recorded.config, recorded.group) == ("try 1", "finished", {"lr": 0.1}, "night")
    assert recorded.created_at == run.created_at


def test_entity_and_project_come_from_the_settings() -> None:
    with artfs.init() as run:
        assert (run.entity, run.project) == ("tester", "default")
        assert run.id
        assert run.name


def test_a_name_that_cannot_be_is_refused() -> None:
    wrong: list[dict[str, Any]] = [{"project": "a/b"}, {"entity": "a b"}, {"id": "a/b"}]
    for keywords in wrong:
        with pytest.raises(ValueError, match="valid"):
            artfs.init(**keywords)
    assert current() is None


def test_a_word_about_a_run_may_be_a_number_and_nothing_else_but_text() -> None:
    with artfs.init(name=7, job_type=8, group=9) as run:  # type: ignore[arg-type]
        assert (run.name, run.job_type, run.group) == ("7", "8", "9")
    with artfs.init(name="", job_type="", group="") as run:
        assert (run.name, run.job_type, run.group) == (run.id, None, None)
    mistakes: list[Any] = [b"x", ["x"], 1.5, True]
    for keyword in ("name", "job_type", "group"):
        for wrong in mistakes:
            with pytest.raises(TypeError, match=f"{keyword} must be text, not {type(wrong).__name__}"):
                artfs.init(**{keyword: wrong})


def test_the_current_run_and_the_calls_that_mean_it() -> None:
    assert current() is None
    calls: list[Callable[[], object]] = [lambda: artfs.log_artifact(build()), lambda: artfs.use_artifact("bike-dataset")]
    for call in calls:
        with pytest.raises(ValueError, match=r"artfs\.init"):
            call()
    run = artfs.init()
    assert current() is run
    assert artfs.log_artifact(build(), aliases=["best"]).wait().version == "v0"
    assert artfs.use_artifact("bike-dataset:best").version == "v0"
    artfs.finish()
    assert current() is None
    assert run.state == "finished"
    artfs.finish()


def test_a_second_init_finishes_the_first() -> None:
    first = artfs.init()
    artifact = first.log_artifact(build())
    second = artfs.init()
    assert (first.state, second.state) == ("finished", "running")
    assert artifact.version == "v0"
    assert current() is second
    with artfs.init(), artfs.init() as inner:
        assert current() is inner
    assert current() is None


def test_reinit_may_return_the_first_or_leave_it_alone() -> None:
    first = artfs.init()
    assert artfs.init(reinit="return_previous") is first
    assert artfs.init(reinit=False) is first
    other = artfs.init(reinit="create_new")
    assert (first.state, other.state) == ("running", "running")
    assert current() is other
    third = artfs.init(reinit=True)
    assert (other.state, third.state) == ("finished", "running")
    with pytest.raises(ValueError, match="reinit"):
        artfs.init(reinit="sometimes")


def test_threads_have_their_own_runs_and_else_that_of_the_main_thread() -> None:
    main = artfs.init(name="main")
    seen: dict[str, object] = {}

    def work() -> None:
        seen["before"] = current()
        with artfs.init(name="thread") as own:
            seen["own"] = current() is own
        seen["after"] = current()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == {"before": main, "own": True, "after": main}
    assert main.state == "running"


def test_a_failed_block_marks_the_run_failed_and_logs_all_the_same() -> None:
    artifact = build()
    with pytest.raises(ZeroDivisionError), artfs.init(id="bad") as run:
        run.log_artifact(artifact, aliases=[str(1 // len(run.log_artifact(artifact).name[:0]))])
    assert artfs.Api().run("bad").state == "failed"
    assert artifact.version == "v0"


def test_leaving_a_block_by_sys_exit_is_a_success_when_its_code_is_zero() -> None:
    for code, state in ((0, "finished"), (None, "finished"), (3, "failed"), ("sorry", "failed")):
        with pytest.raises(SystemExit), artfs.init() as run:
            raise SystemExit(code)
        assert run.state == state


def test_finish_takes_an_exit_code() -> None:
    run = artfs.init()
    run.finish(exit_code=1)
    assert artfs.Api().run(run.id).state == "failed"
    artfs.init()
    artfs.finish(0)
    assert artfs.Api().runs()[0].state == "finished"


def test_keywords_of_existing_scripts_are_taken_and_misspelled_ones_are_not() -> None:
    with artfs.init(mode="online", notes="n", tags=["t"], dir="/tmp", save_code=True, settings=None, resume="allow") as run:
        assert run.state == "running"
    with pytest.raises(TypeError, match="job_typ"):
        artfs.init(job_typ="train")
    with pytest.raises(ValueError, match="ARTFS_HOME"):
        artfs.init(mode="disabled")
    assert artfs.login(key="secret") is True


def test_config_may_be_a_namespace() -> None:
    with artfs.init(config=argparse.Namespace(lr=0.1, layers=(1, 2))) as run:
        assert dict(run.config) == {"lr": 0.1, "layers": [1, 2]}
        run.config.epochs = 3
        assert run.config["epochs"] == 3
        with pytest.raises(AttributeError):
            _ = run.config.missing
    with artfs.init(config={"path": Path("x"), "limit": math.inf, 3: {"deep": print}}) as run:
        assert dict(run.config) == {"path": "x", "limit": "inf", "3": str({"deep": print})}
    with pytest.raises(TypeError):
        artfs.init(config=7)


def test_a_run_goes_on_under_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    with artfs.init(id="r1", name="first", config={"a": 1}):
        pass
    with artfs.init(id="r1", config={"b": 2}) as run:
        assert (run.name, dict(run.config)) == ("first", {"a": 1, "b": 2})
        assert artfs.Api().run("r1").state == "running"
    assert artfs.Api().run("r1").state == "finished"
    monkeypatch.setenv("ARTFS_RUN_ID", "r1")
    with artfs.init() as run:
        assert run.id == "r1"
    wrong: list[dict[str, Any]] = [{"resume": "never"}, {"project": "elsewhere"}]
    for keywords in wrong:
        with pytest.raises(ValueError, match="r1"):
            artfs.init(id="r1", **keywords)
    with pytest.raises(LookupError):
        artfs.init(id="r2", resume="must")
    monkeypatch.delenv("ARTFS_RUN_ID")
    with pytest.raises(ValueError, match="id"):
        artfs.init(resume="must")


def test_the_runs_of_a_project_newest_first() -> None:
    for name in ("one", "two"):
        with artfs.init(project="bikes", name=name):
            pass
    api = artfs.Api()
    assert [run.name for run in api.runs("bikes")] == ["two", "one"]
    assert [run.name for run in api.runs("tester/bikes")] == ["two", "one"]
    assert api.runs("others/bikes") == []
    newest = api.runs("bikes")[0]
    assert api.run(newest.id).path == ["tester", "bikes", newest.id]
    for path in ("missing", f"elsewhere/{newest.id}", f"others/bikes/{newest.id}"):
        with pytest.raises(errors.NotFound):
            api.run(path)
    with pytest.raises(ValueError, match="PROJECT"):
        api.runs("a/b/c")


def test_names_without_a_project_mean_that_of_the_current_run() -> None:
    with artfs.init(project="bikes") as run:
        run.log_artifact(build()).wait()
        assert artfs.Api().artifact("bike-dataset").project == "bikes"
    with pytest.raises(LookupError):
        artfs.Api().artifact("bike-dataset")
    api = artfs.Api(overrides={"project": "bikes"}, timeout=10)
    assert api.artifact("bike-dataset").version == "v0"
    assert api.default_entity == "tester"
