"""What other tests rely on: the link delays, loses, is cut and heals, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.link import Link

_ROOT = Path(__file__).parents[2]
_DATA = os.urandom(3 << 20)


@pytest.fixture
def connection(link: Link) -> Iterator[socket.socket]:
    """From the client's end to a server at the other one, which sends `_DATA` for every byte."""
    with link.inside_server():
        listening = socket.create_server((link.server_address, 0))

    def serve() -> None:
        accepted, _ = listening.accept()
        with accepted:
            while accepted.recv(1):
                accepted.sendall(_DATA)

    thread = threading.Thread(target=serve)
    thread.start()
    with link.inside_client():
        client = socket.create_connection(listening.getsockname(), timeout=30)
    yield client
    client.close()
    thread.join()
    listening.close()


def _ask(connection: socket.socket) -> bytes:
    connection.sendall(b"?")
    return _receive(connection, len(_DATA))


def _receive(connection: socket.socket, size: int) -> bytes:
    pieces = []
    while size:
        pieces.append(connection.recv(size))
        size -= len(pieces[-1])
    return b"".join(pieces)


def test_bytes_arrive_as_they_were_and_no_sooner_than_light_would(link: Link, connection: socket.socket) -> None:
    before, start = link.carried(), time.perf_counter()
    assert hashlib.sha256(_ask(connection)).digest() == hashlib.sha256(_DATA).digest()
    assert time.perf_counter() - start >= 0.020 + 8 * len(_DATA) / 1e9
    assert link.carried().down - before.down >= len(_DATA)


def test_a_link_that_loses_packets_delivers_all_in_the_end(link: Link, connection: socket.socket) -> None:
    link.set_loss(0.02)
    assert _ask(connection) == _DATA


def test_nothing_passes_a_cut_and_everything_after_it_healed(link: Link, connection: socket.socket) -> None:
    link.cut()
    connection.settimeout(0.5)
    connection.sendall(b"?")
    with pytest.raises(TimeoutError):
        connection.recv(1)
    link.heal()
    connection.settimeout(30)
    assert _receive(connection, len(_DATA)) == _DATA


def test_what_is_at_one_end_is_not_seen_from_the_machine(link: Link) -> None:
    with link.inside_server(), socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
        assert subprocess.run([*link.at_client, sys.executable, "-c", code], check=False, capture_output=True).returncode != 0


def test_the_link_ends_with_the_tests_although_they_are_killed(link: Link) -> None:
    code = "from tests.servers.link import Link; link = Link.start(); print(link.pid, flush=True); input()"
    tests = subprocess.Popen([sys.executable, "-c", code], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with tests:
        assert tests.stdout is not None
        forwarder = int(tests.stdout.readline())
        tests.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{forwarder}/ns").exists() and Path(f"/proc/{forwarder}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.02)
