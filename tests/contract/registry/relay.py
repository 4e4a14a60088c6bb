"""A relay in front of PostgreSQL that breaks connections where a test wants it.

Threads: one for each direction of each connection; what a test asks for is looked at whenever bytes come from a client.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any


class Fault(Enum):
    NONE = auto()
    #: The next COMMIT reaches the server, and its answer nobody.
    LOSE_ANSWER_TO_COMMIT = auto()
    #: The next COMMIT reaches nobody.
    LOSE_COMMIT = auto()
    #: Nothing reaches the server any more, and connections stay open.
    STALL = auto()


class Relay:
    """Passes bytes between clients of `url` and the server on `port`."""

    def __init__(self, port: int) -> None:
        self._backend = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self.fault = Fault.NONE
        #: So many connections to come are told that the server is starting.
        self.starting = 0
        #: What clients have sent, but for signs of life of those who listen.
        self.sent: list[bytes] = []
        self._start(self._accept)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def url(self, database_url: str) -> str:
        """The address of the same database through this relay."""
        return f"postgresql://artfs@127.0.0.1:{self.port}/{database_url.rpartition('/')[2]}"

    def stop(self) -> None:
        for each in self._sockets:
            _break(each)
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                if self.starting:
                    self.starting -= 1
                    self._start(_say_starting, client)
                    continue
                server = socket.create_connection(self._backend)
            except OSError:
                return
            self._sockets += [client, server]
            self._start(self._upwards, client, server)
            self._start(self._downwards, client, server)

    def _upwards(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if b"SELECT 1\0" not in data:
                    self.sent.append(data)
                if self.fault is Fault.STALL:
                    continue
                if b"COMMIT\0" in data:
                    if self.fault is Fault.LOSE_COMMIT:
                        break
                    if self.fault is Fault.LOSE_ANSWER_TO_COMMIT:
                        _break(client)
                server.sendall(data)
                if self.fault is Fault.LOSE_ANSWER_TO_COMMIT and b"COMMIT\0" in data:
                    self.fault = Fault.NONE
                    return  # the server's answer has nowhere to go
        self.fault = Fault.NONE if self.fault is Fault.LOSE_COMMIT else self.fault
        _break(client)
        _break(server)

    def _downwards(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _break(client)
        _break(server)


def _say_starting(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while len(client.recv(65536)) == 8:  # it asks for encryption
            client.sendall(b"N")
        fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
        client.sendall(b"E" + (4 + len(fields)).to_bytes(4) + fields)
    _break(client)


def _break(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextlib.contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.stop()
