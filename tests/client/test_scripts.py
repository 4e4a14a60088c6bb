"""Whole scripts, each in a process of its own: the walkthrough, and scripts that just end, well or badly."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import artfs
from artfs.client.session import SESSION
from artfs.config import load_config

BUILD = """
import artfs, sys, threading, os
def build(name="bike-dataset", data=b"one"):
    artifact = artfs.Artifact(name, type="dataset")
    with artifact.new_file("data.bin", "wb") as file:
        file.write(data)
    return artifact
"""
#: Takes its store away from an artifact that has been built, as a disk that is unplugged would.
UNPLUG = """
import pathlib
def unplug():
    objects = pathlib.Path(os.environ["ARTFS_HOME"], "data", "objects")
    if objects.exists():
        objects.rename(objects.with_name("gone"))
    objects.write_text("not a directory")
"""


def run_script(text: str, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text, *arguments], env=environ, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_walkthrough_runs_with_another_import(environ: dict[str, str], workplace: Path) -> None:
    script = Path(__file__).with_name("walkthrough.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", script], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "dataset ['bicycle-data.h5'] bike-dataset:v0 ['best-ap50', 'latest']",
        "model v0 ['hello.txt', 'model.h5', 'optional-prefix/animals/dog.png', 'optional-prefix/cat.png']",
        "file artifacts/bike-model:v0/optional-prefix/cat.png",
        "used ['bike-dataset:v0', 'external-model:v0']",
        "logged ['bike-model:v0']",
        "updated updated {'k': 'v'} ['best', 'best-ap50']",
        "producer prepare consumers ['train-1']",
        "versions [('v3', ['latest']), ('v0', ['replaced'])]",
    ]


def test_a_script_that_just_ends_has_logged_all_the_same(environ: dict[str, str]) -> None:
    text = BUILD + "run = artfs.init(id='r1')\nfor n in range(5): run.log_artifact(build(data=b'%d' % n))\n"
    done = run_script(text, environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert artfs.Api().artifact("bike-dataset").version == "v4"
    assert artfs.Api().run("r1").state == "finished"


def test_a_script_that_dies_has_logged_and_its_run_has_failed(environ: dict[str, str]) -> None:
    done = run_script(BUILD + "run = artfs.init(id='r1')\nrun.log_artifact(build())\n1 / 0\n", environ)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert artfs.Api().artifact("bike-dataset").version == "v0"
    assert artfs.Api().run("r1").state == "failed"


@pytest.mark.parametrize(
    ("status", "code", "state"), [("3", 3, "failed"), ("'no data'", 1, "failed"), ("0", 0, "finished"), ("", 0, "finished")]
)
def test_a_script_that_exits_has_logged_and_its_status_is_that_of_its_run(
    environ: dict[str, str], status: str, code: int, state: str
) -> None:
    done = run_script(BUILD + f"run = artfs.init(id='r1')\nrun.log_artifact(build())\nsys.exit({status})\n", environ)
    assert done.returncode == code
    assert artfs.Api().artifact("bike-dataset").version == "v0"
    assert artfs.Api().run("r1").state == state


def test_an_upload_that_failed_makes_noise_and_a_nonzero_exit(environ: dict[str, str]) -> None:
    text = BUILD + UNPLUG + "run = artfs.init(id='r1')\na = build()\nunplug()\nrun.log_artifact(a)\nprint('end of script')\n"
    done = run_script(text, environ)
    assert done.stdout == "end of script\n"
    assert "artfs: bike-dataset was not logged: " in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
    assert artfs.Api().run("r1").state == "failed"


def test_a_failure_that_the_script_has_seen_is_not_told_again(environ: dict[str, str]) -> None:
    text = (
        BUILD + UNPLUG + "run = artfs.init(id='r1')\na = build()\nunplug()\nrun.log_artifact(a)\n"
        "try: a.wait()\nexcept artfs.errors.ArtfsError as error: print(type(error).__name__, a)\n"
    )
    done = run_script(text, environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "could not be logged" in done.stdout
    assert artfs.Api().run("r1").state == "finished"


#: An upload that presses Ctrl-C as soon as the script waits for it at its end.
INTERRUPTED = """
import signal, traceback
def slow():
    main = threading.main_thread().ident
    while "_at_threading_exit" not in "".join(traceback.format_stack(sys._current_frames()[main])):
        threading.Event().wait(0.01)
    signal.pthread_kill(main, signal.SIGINT)
    threading.Event().wait()
run = artfs.init()
run._uploader().submit("slow", slow)
"""


def test_ctrl_c_while_waiting_at_the_end_is_told_and_exits_nonzero(environ: dict[str, str]) -> None:
    done = run_script(BUILD + INTERRUPTED, environ)
    assert done.returncode == 1
    assert done.stderr == "artfs: not all that was logged could be waited for: KeyboardInterrupt\n"


def test_what_is_registered_for_the_exit_still_runs_after_a_failure(environ: dict[str, str]) -> None:
    text = (
        BUILD + UNPLUG + "run = artfs.init()\nimport atexit\natexit.register(print, 'at exit')\n"
        "a = build()\nunplug()\nrun.log_artifact(a)\n"
    )
    done = run_script(text, environ)
    assert (done.returncode, done.stdout) == (1, "at exit\n")


def test_threads_of_others_may_still_log_while_the_script_ends(environ: dict[str, str]) -> None:
    text = (
        BUILD + "run = artfs.init()\n"
        "def late():\n    threading.main_thread().join(0.2)\n    run.log_artifact(build('late'))\n"
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\n"
        "pool.submit(run.log_artifact, build('pooled')).result()\n"
    )
    done = run_script(text, environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert artfs.Api().artifact("pooled").version == "v0"


def test_a_large_upload_at_the_end_is_waited_for(environ: dict[str, str]) -> None:
    text = BUILD + "run = artfs.init()\nrun.log_artifact(build(data=os.urandom(60 << 20)))\n"
    assert run_script(text, environ).returncode == 0
    assert artfs.Api().artifact("bike-dataset").size == 60 << 20


def test_an_artifact_that_was_never_logged_leaves_nothing(environ: dict[str, str]) -> None:
    done = run_script(BUILD + "run = artfs.init()\na = build()\n", environ)
    assert (done.returncode, done.stderr) == (0, "")
    objects = Path(environ["ARTFS_HOME"], "data", "objects")
    assert [path for path in objects.rglob("*") if path.is_file() and "packs" in path.parts] == []


def test_an_artifact_that_was_dropped_is_no_commit_under_way_when_the_script_has_ended(environ: dict[str, str]) -> None:
    done = run_script(BUILD + "import gc\nrun = artfs.init()\nbuild()\ngc.collect()\n", environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert SESSION.repository(load_config()).registry.leases.list_active() == []


def test_progress_is_shown_on_a_terminal_only(environ: dict[str, str]) -> None:
    text = BUILD + "run = artfs.init()\na = run.log_artifact(build(data=bytes(1 << 20)))\na.download()\na.checkout()\n"
    text += "run.log_artifact('artifacts')\n"
    assert run_script(text, environ).stderr == ""
    terminal, other_end = pty.openpty()
    environ = {**environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen([sys.executable, "-c", text], env=environ, stdout=subprocess.DEVNULL, stderr=other_end) as script:
        os.close(other_end)
        shown = read_terminal(terminal)
    os.close(terminal)
    assert script.returncode == 0
    for words in ("downloading bike-dataset:v0", "checking out bike-dataset:v0", "adding artifacts"):
        assert words in shown


def read_terminal(terminal: int) -> str:
    """All that is written to it until its other end is closed."""
    data = b""
    try:
        while more := os.read(terminal, 65536):
            data += more
    except OSError:  # how a terminal says that nobody is there any more
        pass
    return data.decode()


def test_importing_is_cheap(environ: dict[str, str]) -> None:
    text = (
        "import sys, artfs\n"
        "heavy = {'sqlalchemy', 'rich', 'msgpack', 'blake3', 'zstandard', 'pyfastcdc', 'asyncio'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert {'init', 'Artifact', 'Api', 'run', 'errors'} <= set(dir(artfs))\n"
        "print(artfs.__version__)\n"
    )
    done = run_script(text, environ)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_there_is_not_is_an_attribute_error() -> None:
    for name in ("log", "no_such_thing"):
        with pytest.raises(AttributeError):
            getattr(artfs, name)


def test_a_script_in_a_place_where_nothing_can_be_written_says_so(environ: dict[str, str], tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    done = run_script(BUILD + "artfs.init()\n", {**environ, "ARTFS_HOME": str(blocked)})
    assert done.returncode == 1
    assert str(blocked) in done.stderr.splitlines()[-1]
