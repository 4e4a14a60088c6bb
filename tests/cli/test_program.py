"""`artfs` as it is installed: a process with an exit code, signals and pipes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import pytest

from artfs.version import __version__
from tests.cli.conftest import PROGRAM, Program
from tests.conftest import MakeDataset
from tests.rights import small_disk


def test_the_program_puts_and_gets(program: Program, dataset: MakeDataset, tmp_path: Path) -> None:
    done = program("put", dataset({"a": b"1"}), "pets")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"pets:v0\n", b"")
    done = program("cat", "pets:v0/a")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1", b"")


def test_the_program_says_its_version(program: Program) -> None:
    assert program("--version").stdout.decode() == f"artfs {__version__}\n"


def test_a_mistake_is_one_line_and_an_exit_code(program: Program) -> None:
    done = program("show", "pets")
    assert done.returncode == 3
    assert done.stdout == b""
    assert done.stderr.startswith(b"artfs: ")
    assert done.stderr.count(b"\n") == 1


def test_stdin_is_put_with_all_its_bytes(program: Program) -> None:
    data = os.urandom(3_000_000)
    assert program("put", "-", "noise", "--path", "noise.bin", input=data).returncode == 0
    assert program("cat", "noise:v0/noise.bin").stdout == data


def test_paths_that_are_no_utf_8_are_printed_as_they_are(program: Program, dataset: MakeDataset, tmp_path: Path) -> None:
    program("put", dataset({"a": b"1"}), "pets")
    destination = os.fsencode(tmp_path / "copy") + b"\xff"
    done = program("get", "pets", destination, env={"PYTHONIOENCODING": "utf-8:strict"})
    assert (done.returncode, done.stdout) == (0, destination + b"\n"), done.stderr


@pytest.mark.mounts
def test_a_full_disk_is_told_and_leaves_nothing_half_visible(program: Program, dataset: MakeDataset, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 4) as home:
        where = {"ARTFS_HOME": str(home)}
        assert program("put", dataset({"a": b"1"}, name="first"), "pets", env=where).returncode == 0
        done = program("put", dataset({"big": os.urandom(9_000_000)}, name="big"), "pets", env=where)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (8, b"", 1), done.stderr
        assert program("versions", "pets", env=where).stdout.count(b"\n") == 1
        assert program("put", dataset({"a": b"2"}, name="next"), "pets", env=where).stdout == b"pets:v1\n"


def test_a_reader_that_goes_away_ends_cat_without_a_word(program: Program, environ: dict[str, str]) -> None:
    program("put", "-", "noise", "--path", "noise.bin", input=os.urandom(3_000_000))
    arguments = [str(PROGRAM), "cat", "noise:v0/noise.bin"]
    with subprocess.Popen(arguments, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1000)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_reader_that_goes_away_ends_a_listing_without_a_word(program: Program, dataset: MakeDataset) -> None:
    program("put", dataset({f"file-{number:04}": b"" for number in range(500)}), "many")
    read, write = os.pipe()
    os.close(read)
    done = program("ls", "many", capture_output=False, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_ends_with_130_and_leaves_nothing_half_done(program: Program, environ: dict[str, str]) -> None:
    arguments = [str(PROGRAM), "put", "-", "pets", "--path", "a"]
    # Not ignored, as it is in what a shell script has put into the background.
    arguments = ["env", "--default-signal=INT", *arguments]
    with subprocess.Popen(arguments, env=environ, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(bytes(1_000_000))  # more than a pipe holds: when this returns, it is being read
        process.stdin.flush()
        wait_until_asleep(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"artfs: interrupted\n"
        process.wait(30)
        process.stdin.close()
    assert process.returncode == 130
    assert program("ls").stdout == b""


def wait_until_asleep(pid: int) -> None:
    """Return when the process waits for something that has not come for a while."""
    deadline, asleep = time.monotonic() + 30, 0
    while asleep < 5:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_defect_says_where_its_traceback_is(tmp_path: Path, environ: dict[str, str]) -> None:
    script = "import sys; from artfs.cli.failure import report; sys.exit(report(RuntimeError('unheard of'), show_traceback=False))"
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=False)
    log = tmp_path / "artfs-home/state/log/cli.log"
    assert done.returncode == 70
    assert done.stderr == f"artfs: internal error: RuntimeError: unheard of; the traceback is in {log}\n"
    assert "RuntimeError: unheard of" in log.read_text()


def test_help_and_names_of_commands_import_nothing_heavy(environ: dict[str, str]) -> None:
    script = """if True:
        import sys
        from artfs.cli.main import app
        try:
            app(["--help"])
        except SystemExit:
            heavy = {"sqlalchemy", "msgpack", "zstandard", "pyfastcdc", "rich", "trio", "pyfuse3"} & set(sys.modules)
            sys.exit(f"imported: {heavy}" if heavy else 0)
    """
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_output_for_a_terminal_is_a_table_with_readable_sizes(
    program: Program, dataset: MakeDataset, environ: dict[str, str]
) -> None:
    program("put", dataset({"big": bytes(20_000)}), "pets")
    out = on_a_terminal(["versions", "pets"], {**environ, "COLUMNS": "120", "TERM": "xterm-256color"})
    assert "20.0 kB" in out
    assert "aliases" in out
    assert "\x1b[" in out


def test_no_color_is_respected(program: Program, dataset: MakeDataset, environ: dict[str, str]) -> None:
    program("put", dataset({"big": bytes(20_000)}), "pets")
    for arguments in (["versions", "pets"], ["lineage", "pets"]):
        out = on_a_terminal(arguments, {**environ, "COLUMNS": "120", "TERM": "xterm-256color", "NO_COLOR": "1"})
        assert "\x1b[3" not in out, arguments


def test_progress_is_shown_on_a_terminal_only_and_not_on_stdout(
    program: Program, dataset: MakeDataset, environ: dict[str, str]
) -> None:
    out = on_a_terminal(["put", str(dataset()), "pets"], {**environ, "TERM": "xterm-256color"})
    assert "files" in out
    assert out.rstrip().endswith("pets:v0")


def on_a_terminal(arguments: list[str], environ: dict[str, str]) -> str:
    """All that a terminal gets to see."""
    controller, terminal = os.openpty()
    with subprocess.Popen([PROGRAM, *arguments], env=environ, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        pieces = []
        while True:
            try:
                piece = os.read(controller, 65536)
            except OSError:  # EIO: nobody has the other end any more
                break
            if not piece:
                break
            pieces.append(piece)
        process.wait(30)
    os.close(controller)
    assert process.returncode == 0, b"".join(pieces)
    return b"".join(pieces).decode()


def test_all_that_is_kept_is_readable_by_its_owner_only(program: Program, environ: dict[str, str], tmp_path: Path) -> None:
    """Whatever the umask: folders of others' making aside, nobody else gets into those that hold bytes, names, staging and logs."""
    source = tmp_path / "data.txt"
    source.write_text("secret")
    os.utime(source, (1, 1))  # old enough for the memo
    second = tmp_path / "second"
    # With a registry elsewhere nothing but the object store makes the data folder.
    elsewhere = {"ARTFS_HOME": str(second), "ARTFS_REGISTRY": f"sqlite:///{tmp_path}/elsewhere/registry.sqlite"}
    for env in ({}, elsewhere):
        assert program("put", source, "pets", env=env, umask=0).returncode == 0
        assert program("status", env=env, umask=0).returncode == 0
    homes = [Path(environ["ARTFS_HOME"]), second]
    kept = [path for home in homes for path in home.rglob("*") if path.is_file()]
    assert {home for home in homes for path in kept if home in path.parents} == set(homes)
    for path in [*kept, tmp_path / "elsewhere/registry.sqlite"]:
        assert any(parent.stat().st_mode & 0o077 == 0 for parent in path.parents if tmp_path in parent.parents), path


def test_ctrl_c_ends_a_command_whose_store_is_silent(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        env = environ | {
            "ARTFS_OBJECTS": "s3://bucket/artfs",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with subprocess.Popen([PROGRAM, "put", tmp_path / "file", "pets"], env=env, stdout=PIPE, stderr=PIPE) as process:
            connections = [silent.accept()[0] for _ in range(2)]  # what meets the store beforehand, and the command
            process.send_signal(signal.SIGINT)
            # Sooner than the server is given up.
            _, errors = process.communicate(timeout=10)
            for connection in connections:
                connection.close()
    assert (process.returncode, errors) == (130, b"artfs: interrupted\n")
