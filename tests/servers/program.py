"""A server program for tests: started in a folder of its own, waited for until it answers, ended with its folder.

The kernel ends it when the test process dies and cannot. Programs are ended by SIGKILL: nothing they hold outlives the tests.
"""

from __future__ import annotations

import contextlib
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


class Program:
    """One server process. Its folder has a short path, as the paths of sockets are limited to some hundred bytes."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"artfs-{name}-"))
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], answers: Callable[[], bool]) -> None:
        """Start it and wait until `answers` is true. Fails, and never skips, when it cannot be started."""
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                told = log.read_text(errors="replace")[-4000:]
                self.stop()
                raise AssertionError(f"{self._name} did not start:\n{told}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it and delete its folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


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
