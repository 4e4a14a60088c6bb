"""An HTTP server that does wrong what a test tells it to: the double for faults that no real server can be talked into.

Each path has a function that makes the reply to a request; requests are noted. It runs in threads of the test's own process.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.program import find_program


class Asked(NamedTuple):
    """A request. The names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What is sent, as it stands. A Content-Length is added only where `sized`.

    After `cut` bytes of body the connection is closed, or nothing more is said on it where it `stalls`. `drip_s` is the time from
    one byte of the body to the next.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    sized: bool = True
    cut: int | None = None
    stalls: bool = False
    drip_s: float = 0.0


Answer = Callable[[Asked], Reply]


def content(data: bytes, etag: str | None = '"one"') -> Answer:
    """The answers of a server that does everything right."""

    def answer(asked: Asked) -> Reply:
        headers = {} if etag is None else {"ETag": etag}
        if asked.headers.get("if-match", etag) != etag:
            return Reply(412, headers)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("range", ""))
        if not match:
            return Reply(200, headers, data)
        start, end = int(match[1]), min(int(match[2] or len(data)) + 1, len(data))
        if start >= len(data):
            return Reply(416, {**headers, "Content-Range": f"bytes */{len(data)}"})
        return Reply(206, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}, data[start:end])

    return answer


class FaultyHttp:
    """A running server. With `certificate`, a folder, it speaks TLS under a certificate that it signed itself."""

    def __init__(self, certificate: Path | None = None) -> None:
        self._answers: dict[str, Answer] = {}
        self.stopped = threading.Event()
        self.asked: list[Asked] = []
        self.certificate: Path | None = None
        self._server = _Server(self)
        scheme = "http"
        if certificate is not None:
            scheme = "https"
            self.certificate = certificate / "certificate.pem"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, _sign(certificate))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def serve(self, path: str, answer: Answer | Reply) -> str:
        """Answer requests for `path` so; its URL. What its query is does not matter."""
        self._answers[path] = (lambda _: answer) if isinstance(answer, Reply) else answer
        return self.url + path

    def serve_in_turn(self, path: str, *answers: Answer | Reply) -> str:
        """Answer the first request so, the next one so, and those behind the last one like the last one."""
        lock, left = threading.Lock(), list(answers)

        def answer(asked: Asked) -> Reply:
            with lock:
                current = left.pop(0) if len(left) > 1 else left[0]
            return current if isinstance(current, Reply) else current(asked)

        return self.serve(path, answer)

    def methods(self) -> list[str]:
        """The methods of the requests, in order."""
        return [asked.method for asked in self.asked]

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply_to(self, asked: Asked) -> Reply:
        """Note a request, and say what is sent for it."""
        self.asked.append(asked)
        answer = self._answers.get(asked.path.partition("?")[0])
        return answer(asked) if answer else Reply(404)


class _Server(ThreadingHTTPServer):
    """Its threads wait for further requests on connections that are kept open: `server_close` ends those first."""

    daemon_threads = False

    def __init__(self, faulty: FaultyHttp) -> None:
        self.faulty = faulty
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, *_: object) -> None:
        """Nothing: clients that go away, or do not trust a certificate, are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 20

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.faulty.reply_to(Asked(self.command, self.path, headers))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.sized and not any(name.lower() == "content-length" for name in reply.headers):
            self.send_header("Content-Length", str(len(reply.body)))
        # Without a length the end of the connection is that of the body.
        if not reply.sized or reply.cut is not None or "Content-Length" in reply.headers:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(reply)

    do_HEAD = do_GET  # noqa: N815

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    do_POST = do_PUT  # noqa: N815

    def _send_body(self, reply: Reply) -> None:
        body = reply.body[: reply.cut]
        if not reply.drip_s:
            self.wfile.write(body)
        for at in range(len(body) if reply.drip_s else 0):
            if self.server.faulty.stopped.wait(reply.drip_s):
                return
            self.wfile.write(body[at : at + 1])
        if reply.stalls:
            self.server.faulty.stopped.wait()

    def log_message(self, *_: object) -> None:
        """Nothing: the requests are noted."""


def _sign(folder: Path) -> Path:
    """Make certificate.pem and the key for it in `folder`; the path of the key."""
    openssl = find_program("openssl", "apt-get install -y --no-install-recommends openssl")
    key = folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=artfs tests", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    subprocess.run([*command, "-out", str(folder / "certificate.pem")], check=True, capture_output=True)
    return key
