"""A slow link for tests: two network namespaces, and between them 20 ms of a round trip at 1 Gbit/s, or what a test asks for.

    with link.inside_server():
        server = SeaweedFs.start(link.server_address)      what is started here is reached through the link only
    subprocess.run([*link.at_client, "artfs", "ls"])       a client at the other end
    link.cut(); link.heal(); link.set_loss(0.02)           while all of them run

Tests run on in the namespace they are in; `inside_server` and `inside_client` take the calling thread there for a while, and with
it the sockets that it makes, the threads and the processes that it starts. Not every kernel has netem: `forwarder.py` is the link.
It needs root: `why_no_link` says so to others. Main thread, as with `program.py`.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.forwarder import CLIENT_ADDRESS, SERVER_ADDRESS

_ROOT = Path(__file__).parents[2]


class Carried(NamedTuple):
    """Bytes of packets that the link has carried: to the server, and to the client."""

    up: int
    down: int


class Link:
    """A running link. Make one with `start`, end it with `stop`; whoever is inside then has no network any more."""

    client_address = CLIENT_ADDRESS
    server_address = SERVER_ADDRESS

    def __init__(self, process: subprocess.Popen[str], namespaces: dict[str, int]) -> None:
        self._process = process
        self._client = f"/proc/{process.pid}/fd/{namespaces['client']}"
        self._server = f"/proc/{process.pid}/fd/{namespaces['server']}"

    @classmethod
    def start(cls, *, delay_s: float = 0.010, bits_per_s: float = 1e9) -> Link:
        """Make a new link with this delay for each way."""
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", "tests.servers.forwarder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said:
            raise AssertionError(f"the forwarder ended with {process.wait()}")
        link = cls(process, json.loads(said))
        link._set(delay_s=delay_s, bits_per_s=bits_per_s)
        return link

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    @property
    def pid(self) -> int:
        """The process that is the link."""
        return self._process.pid

    @property
    def at_client(self) -> tuple[str, ...]:
        """What is written before a command to run it at the client's end."""
        return ("nsenter", f"--net={self._client}", "--")

    @contextmanager
    def inside_client(self) -> Iterator[None]:
        """Take this thread to the client's end."""
        with _inside(self._client):
            yield

    @contextmanager
    def inside_server(self) -> Iterator[None]:
        """Take this thread to the server's end."""
        with _inside(self._server):
            yield

    def cut(self) -> None:
        """Lose everything from now on, also what is on its way. Nobody is told."""
        self._set(cut=True)

    def heal(self) -> None:
        self._set(cut=False)

    def set_loss(self, share: float) -> None:
        """Lose this share of the packets, each way."""
        self._set(loss=share)

    def set_speed(self, *, delay_s: float, bits_per_s: float) -> None:
        self._set(delay_s=delay_s, bits_per_s=bits_per_s)

    def carried(self) -> Carried:
        """How much it has carried since it was started."""
        return self._set()

    def _set(self, **settings: Any) -> Carried:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(settings) + "\n")
        self._process.stdin.flush()
        return Carried(**json.loads(self._process.stdout.readline()))


def why_no_link() -> str:
    """Why there can be no link here; empty where there can."""
    if os.geteuid() != 0:
        return "an emulated link takes network namespaces, and those take root"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "an emulated link takes TUN devices, and there is no /dev/net/tun"
    return ""


@contextmanager
def _inside(namespace: str) -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(namespace, os.O_RDONLY)
        try:
            if libc.setns(there, 0):
                raise OSError(ctypes.get_errno(), "cannot enter the network namespace")
        finally:
            os.close(there)
        try:
            yield
        finally:
            libc.setns(before, 0)
    finally:
        os.close(before)
