"""haproxy in front of a test server: it notes every request, and lets go wrong what a test asks for.

    proxy.fail(503, times=2, retry_after=1)      the next two requests are refused, then all is well again
    proxy.cut(1000, method="GET")                the next GET's body ends after 1 000 bytes
    proxy.requests()                             what was asked for since `clear`

A fault hits the next `times` requests whose method is `method` and whose target has `containing` in it. `haproxy.lua` is the other
half. A request is noted before the server sees it: whoever has an answer finds it in the list.
"""

from __future__ import annotations

import socket
import urllib.parse
from pathlib import Path
from typing import NamedTuple

from tests.servers.program import Program, Server, find_program, free_ports, listens, listens_at

_CONFIGURATION = """
global
    nbthread 1
    maxconn 4000
    stats socket {folder}/command.sock level admin
    lua-load {lua}
defaults
    mode http
    timeout client 120s
    timeout server 120s
    timeout connect 5s
    option accept-invalid-http-request
    option accept-invalid-http-response
frontend front
    bind 127.0.0.1:{port}
    filter lua.cut
    http-request lua.arrive
    http-request reject if {{ var(txn.drop) -m found }}
    http-request silent-drop if {{ var(txn.stall) -m found }}
    http-response lua.answer
    http-response set-header Connection close if {{ var(txn.cut) -m found }}
    default_backend back
backend back
    {host}
    http-reuse always
    server only 127.0.0.1:{backend_port}
"""


class Request(NamedTuple):
    """One request that came. `status` and `length` (the answer's Content-Length) are 0 while it was not answered."""

    method: str
    target: str
    status: int
    length: int
    range: str
    if_match: str
    authorization: str
    token: str


class HaProxy(Server):
    """A running proxy. Make one with `start`, end it with `stop`."""

    def __init__(self, program: Program, port: int) -> None:
        super().__init__(program)
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"

    @classmethod
    def start(cls, backend_port: int, *, keep_host: bool = True) -> HaProxy:
        """Put a proxy in front of a server of this machine. Fails, and never skips, when haproxy is not installed.

        `keep_host=False` is for servers that answer to their own address only; signatures of S3 need the host that was asked.
        """
        haproxy = find_program("haproxy", "apt-get install -y --no-install-recommends haproxy")
        program = Program("haproxy")
        (port,) = free_ports(1)
        lua = Path(__file__).with_suffix(".lua")
        host = "" if keep_host else f"http-request set-header Host 127.0.0.1:{backend_port}"
        configuration = _CONFIGURATION.format(folder=program.folder, lua=lua, port=port, backend_port=backend_port, host=host)
        (program.folder / "haproxy.cfg").write_text(configuration)
        program.start(
            [haproxy, "-db", "-q", "-f", "haproxy.cfg"], lambda: listens(port) and listens_at(program.folder / "command.sock")
        )
        return cls(program, port)

    def requests(self, method: str = "") -> list[Request]:
        """The requests since `clear`, in the order in which they came; only those of a method where one is given."""
        lines = [line.split("\t") for line in self._command("requests").splitlines() if line]
        asked = [Request(line[0], line[1], int(line[2]), int(line[3]), *line[4:8]) for line in lines]
        return [request for request in asked if method in {"", request.method}]

    def clear(self) -> None:
        """Forget what came, and let nothing go wrong any more."""
        self._command("clear")

    def fail(
        self, status: int, *, times: int = 1, retry_after: float | str | None = None, method: str = "", containing: str = ""
    ) -> None:
        """Answer with this status."""
        self._fault("fail", times, str(status), "" if retry_after is None else str(retry_after), method, containing)

    def refuse_conditions(self, *, times: int = 1, method: str = "", containing: str = "") -> None:
        """Answer 412 to requests with If-Match, as Ceph does even when it holds; others pass."""
        self._fault("refuse_conditions", times, "412", "", method, containing)

    def delay(self, milliseconds: int, *, times: int = 1, method: str = "", containing: str = "") -> None:
        """Pass the request on later."""
        self._fault("delay", times, str(milliseconds), "", method, containing)

    def drop(self, *, times: int = 1, method: str = "", containing: str = "") -> None:
        """Close the connection instead of an answer."""
        self._fault("drop", times, "", "", method, containing)

    def stall(self, *, times: int = 1, method: str = "", containing: str = "") -> None:
        """Never answer, and let the connection be."""
        self._fault("stall", times, "", "", method, containing)

    def cut(self, size: int, *, times: int = 1, method: str = "", containing: str = "") -> None:
        """Close the connection after so many bytes of the body, although its Content-Length announced more."""
        self._fault("cut", times, str(size), "", method, containing)

    def forget_header(self, name: str, *, times: int = 1, method: str = "", containing: str = "") -> None:
        """Take a header away from the request: without Range the server answers with everything."""
        self._fault("forget_header", times, name, "", method, containing)

    def set_header(self, name: str, value: str, *, times: int = 1, method: str = "", containing: str = "") -> None:
        """Lie in a header of the answer; an empty value takes it away."""
        self._fault("set_header", times, name, value, method, containing)

    def _fault(self, kind: str, times: int, *words: str) -> None:
        # A word may be empty or hold spaces: neither is possible on the command socket.
        quoted = " ".join("=" + urllib.parse.quote(word, safe="") for word in words)
        self._command(f"fault {kind} {times} {quoted}")

    def _command(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._program.folder / "command.sock"))
            connection.sendall(f"artfs {command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "surrogateescape")
