"""A server program for tests: started in a folder of its own, waited for until it answers, ended with its folder.

The kernel ends it when the test process dies and cannot. Programs are ended by SIGKILL: nothing they hold outlives the tests. A
server of several programs (Ceph) starts them one after the other in one folder.

`kill` and `resume` are a crash and a restart with the data that it had. As the kernel ends a program with the thread that started
it, both are for the main thread.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

_START_TIMEOUT_S = 60
_FIRST_PORT = 10_000

Answers = Callable[[], bool]


class Program:
    """One server. Its folder has a short path, as the paths of sockets are limited to some hundred bytes."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"artfs-{name}-"))
        self._name = name
        self._commands: list[tuple[Sequence[str], Answers]] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def is_running(self) -> bool:
        return bool(self._processes)

    def start(self, command: Sequence[str], answers: Answers) -> None:
        """Start it and wait until `answers` is true. Fails, and never skips, when it cannot be started."""
        self._commands.append((command, answers))
        self._run(command, answers)

    def kill(self) -> None:
        """End it as a crash does. What it has on disk stays; connections are cut, and new ones refused."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        self._processes.clear()

    def resume(self) -> None:
        """Start again what was started, after `kill`, and wait until it answers."""
        for command, answers in self._commands:
            self._run(command, answers)

    def stop(self) -> None:
        """End it and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: Sequence[str], answers: Answers) -> None:
        log = self.folder / "log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )
        self._processes.append(process)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                told = log.read_text(errors="replace")[-4000:]
                self.stop()
                raise AssertionError(f"{self._name} did not start:\n{told}")
            time.sleep(0.02)


class Server:
    """What runs as a `Program`: what a test may do to it."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def stop(self) -> None:
        self._program.stop()

    @property
    def is_running(self) -> bool:
        return self._program.is_running

    def kill(self) -> None:
        """End it as a crash does: what it has on disk is there after `resume`. Main thread."""
        self._program.kill()

    def resume(self) -> None:
        """Start it again, on the same ports and with its data, and wait until it answers. Main thread."""
        self._program.resume()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different.

    They are below those that the kernel gives to connections: one of these may be taken before the server has started.
    """
    end = max(int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]), 2 * _FIRST_PORT)
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            # By the system's chance: that of tests may be seeded, in several processes alike.
            port = _FIRST_PORT + secrets.randbelow(end - _FIRST_PORT)
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
    return found


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def listens_at(path: Path) -> bool:
    """The same of a socket that is a file."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def status_of(url: str) -> int:
    """The HTTP status with which the URL answers, 0 when nobody does."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def find_program(name: str, advice: str, *, beside: Path | None = None) -> str:
    """The path of a program: in the folder `beside` if it is there, else on PATH."""
    if beside is not None and (beside / name).is_file():
        return str(beside / name)
    if found := shutil.which(name, path=None) or shutil.which(name, path="/usr/sbin:/usr/local/sbin"):
        return found
    raise AssertionError(f"{name} is not installed: {advice}")
