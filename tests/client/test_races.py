"""Many at once: threads and processes that log one name, and processes that fork."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import artfs
from artfs.model.records import VersionRecord
from tests.client.making import build, content, log

WORKER = """
import sys, artfs
with artfs.init(name=sys.argv[1]) as run:
    for number in range(5):
        artifact = artfs.Artifact("bike-dataset", type="dataset")
        with artifact.new_file("data.bin", "wb") as file:
            file.write(f"{sys.argv[1] if number else 'same'}-{number}".encode())
        run.log_artifact(artifact, aliases=["moving"])
"""


def check_contiguous(count: int) -> None:
    versions = artfs.Api().artifact_versions("dataset", "bike-dataset")
    assert [version.version for version in versions] == [f"v{number}" for number in reversed(range(count))]
    held = Counter(alias for version in versions for alias in version.aliases)
    assert held["latest"] == 1
    assert set(held.values()) == {1}


def test_threads_that_log_one_name_get_contiguous_numbers() -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            with artfs.init(name=name) as run:
                for number in range(5):
                    run.log_artifact(build(files={"data.bin": f"{name if number else 'same'}-{number}".encode()}))
        except BaseException as error:  # noqa: BLE001  told by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    check_contiguous(1 + 6 * 4)
    assert len(artfs.Api().runs()) == 6


def test_processes_that_log_one_name_get_contiguous_numbers(environ: dict[str, str]) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", WORKER, f"p{number}"], env=environ, stderr=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    check_contiguous(1 + 4 * 4)


def test_one_run_logs_from_many_threads() -> None:
    with artfs.init() as run:
        threads = [threading.Thread(target=run.log_artifact, args=(build(files={"x": b"%d" % n}),)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(run.logged_artifacts()) == 10
    check_contiguous(10)


def log_in_child(number: int) -> None:
    """Runs in a forked or spawned process: logs to the run that is current there, or one of its own, and just ends."""
    (artfs.run or artfs.init()).log_artifact(build(files={"child": b"%d" % number}))


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_log_and_leave_the_run_of_the_parent_alone(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with artfs.init(id="parent") as run:
        log(run)
        children = [context.Process(target=log_in_child, args=(number,)) for number in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(120)
        assert [child.exitcode for child in children] == [0, 0, 0]
        assert artfs.Api().run("parent").state == "running"
        run.log_artifact(build(files={"after": b"the children"})).wait()
    check_contiguous(5)
    assert artfs.Api().run("parent").state == "finished"
    assert len(artfs.Api().runs()) == (1 if method == "fork" else 4)


def test_a_forked_child_that_begins_a_run_does_not_end_that_of_the_parent() -> None:
    with artfs.init(id="parent") as run:
        log(run)
        child = os.fork()
        if not child:  # whatever happens, the child must not go on with the tests
            try:
                with artfs.init(id="child") as own:
                    log(own, files={"x": b"child"})
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert artfs.Api().run("parent").state == "running"
        assert artfs.Api().run("child").state == "finished"


def test_an_artifact_may_be_begun_before_a_fork_and_built_after_it() -> None:
    artifact = artfs.Artifact("bike-dataset", type="dataset")
    child = os.fork()
    if not child:
        try:
            for number in range(2):
                with artifact.new_file(f"{number}") as file:
                    file.write("child")
            with artfs.init(id="child") as run:
                run.log_artifact(artifact)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert artfs.Api().artifact("bike-dataset").file_count == 2


def test_what_the_parent_has_under_way_is_refused_and_not_waited_for_in_a_forked_child() -> None:
    run = artfs.init()
    first = log(run, "first")
    go_on = threading.Event()

    def slow() -> VersionRecord:
        go_on.wait(60)
        return first._core.require("version")

    run._uploader().submit("slow", slow)
    pending = run.log_artifact(build())
    begun = build("begun")
    child = os.fork()
    if not child:
        try:
            told = []
            for use in (pending.wait, lambda: begun.add_file(__file__)):
                try:
                    use()
                except ValueError as error:
                    told.append(str(error))
            assert "forked" in told[0], told
            assert "forked" in told[1], told
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go_on.set()
    assert pending.wait(60).version == "v0"
    run.finish()


def test_a_child_with_a_failed_upload_exits_nonzero(environ: dict[str, str]) -> None:
    text = """
import artfs, multiprocessing, os, pathlib, shutil
def work():
    artifact = artfs.Artifact("bike-dataset", type="dataset")
    with artifact.new_file("data.bin") as file:
        file.write("data")
    objects = pathlib.Path(os.environ["ARTFS_HOME"], "data", "objects")
    shutil.rmtree(objects)
    objects.write_text("not a directory")
    artfs.init().log_artifact(artifact)
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
print(child.exitcode)
"""
    done = subprocess.run([sys.executable, "-c", text], env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert "artfs: bike-dataset was not logged" in done.stderr


def test_a_script_that_is_killed_in_mid_log_leaves_no_half_version(environ: dict[str, str], tmp_path: Path) -> None:
    text = """
import artfs, os, itertools
run = artfs.init()
for number in itertools.count():
    artifact = artfs.Artifact("bike-dataset", type="dataset")
    for name in range(10):
        with artifact.new_file(f"{name}.bin", "wb") as file:
            file.write(b"%d" % number + bytes(100_000))
    run.log_artifact(artifact).wait()
    print(number, flush=True)
"""
    script = subprocess.Popen([sys.executable, "-c", text], env=environ, stdout=subprocess.PIPE, text=True)
    assert script.stdout is not None
    for _ in range(3):
        script.stdout.readline()
    script.kill()
    script.communicate()
    count = len(artfs.Api().artifact_versions("dataset", "bike-dataset"))
    assert count >= 3
    with artfs.init() as run:
        log(run, files={"next": b"one"})
    check_contiguous(count + 1)
    for number, version in enumerate(reversed(artfs.Api().artifact_versions("dataset", "bike-dataset")[1:])):
        expected = {f"{name}.bin": b"%d" % number + bytes(100_000) for name in range(10)}
        assert content(version, tmp_path / str(number)) == expected


def test_one_version_downloaded_by_many_threads_into_one_directory(tmp_path: Path) -> None:
    files = {f"{number}/data": os.urandom(1000) for number in range(20)}
    with artfs.init() as run:
        artifact = log(run, files=files)
    threads = [threading.Thread(target=artifact.download, args=(tmp_path / "out",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert content(artifact, tmp_path / "out") == files
