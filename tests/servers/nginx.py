"""A real HTTP server for tests: nginx, on a free port of 127.0.0.1, with a folder of files that it shows in several ways.

| path | the same files, but |
|---|---|
| `/` | as they are: ETag, ranges, If-Match |
| `/norange/` | requests for ranges get everything |
| `/noetag/` | without ETag and Last-Modified |
| `/gzip/` | compressed for whoever accepts that: chunked, with a weak ETag, without Content-Length |
| `/private/` | for the user `tester` with the password `let me in` |
| `/redirect/` | by way of a redirect to `/` |
| `/nohead/` | HEAD is answered with 405 |
| `/e403/`, `/e503/` | that status and nothing else |

An ETag of nginx is made of the time of the last change in seconds and the size: `put` gives each content a time of its own.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tests.servers.program import Program, Server, find_program, free_ports, status_of

USER = "tester"
PASSWORD = "let me in"
_LOG_TIMEOUT_S = 20


class Request(NamedTuple):
    """One request as the server noted it. `sent` is bytes of body."""

    method: str
    path: str
    status: int
    sent: int
    range: str
    if_match: str
    accept_encoding: str
    user_agent: str
    connection: str


class Nginx(Server):
    """A running server. Make one with `start`, end it with `stop`."""

    def __init__(self, program: Program, port: int) -> None:
        super().__init__(program)
        self._marks = itertools.count()
        self._times = itertools.count(1_700_000_000)
        self._seen = 0
        self._www = program.folder / "www"
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    def start(cls) -> Nginx:
        executable = find_program("nginx", "apt-get install -y --no-install-recommends nginx-light")
        program = Program("nginx")
        (port,) = free_ports(1)
        (program.folder / "www").mkdir()
        (program.folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        (program.folder / "nginx.conf").write_text(_config(program.folder, port))
        program.start(
            [executable, "-p", str(program.folder), "-c", str(program.folder / "nginx.conf"), "-e", str(program.folder / "log")],
            lambda: status_of(f"http://127.0.0.1:{port}/") in {403, 404},
        )
        return cls(program, port)

    def put(self, path: str, data: bytes, *, modified_s: int | None = None) -> str:
        """Make or replace a file; its URL."""
        place = self._www / path
        place.parent.mkdir(parents=True, exist_ok=True)
        modified_s = next(self._times) if modified_s is None else modified_s
        fresh = place.with_name(f"{place.name}.fresh")
        fresh.write_bytes(data)
        os.utime(fresh, (modified_s, modified_s))
        fresh.replace(place)
        return self.url_of(path)

    def link(self, path: str, folder: Path) -> str:
        """Serve a folder of the test's own; its URL. Ends with `delete`."""
        (self._www / path).symlink_to(folder)
        return self.url_of(path)

    def resize(self, path: str, size: int) -> None:
        """Cut a file, or let it go on with zeros that take no room."""
        os.truncate(self._www / path, size)

    def delete(self, path: str) -> None:
        (self._www / path).unlink()

    def url_of(self, path: str, way: str = "") -> str:
        """The URL of a file, by one of the ways of this server: `url_of("a.txt", "noetag")`."""
        return f"{self.url}/{way}/{quote(path)}" if way else f"{self.url}/{quote(path)}"

    def requests(self) -> list[Request]:
        """The requests since this was asked last."""
        # Notes are made in order, by one process: when this request is noted, those before it are.
        mark = f"/mark-{next(self._marks)}"
        deadline = time.monotonic() + _LOG_TIMEOUT_S
        status_of(self.url + mark)
        while not any(request.path == mark for request in self._read_log()):
            assert time.monotonic() < deadline, "nginx notes no requests"
            time.sleep(0.005)
        noted = self._read_log()
        fresh, self._seen = noted[self._seen :], len(noted)
        return [request for request in fresh if not request.path.startswith("/mark-")]

    def _read_log(self) -> list[Request]:
        lines = (self._program.folder / "access").read_text().splitlines(keepends=True)
        return [Request(**json.loads(line)) for line in lines if line.endswith("\n")]


def _config(folder: Path, port: int) -> str:
    fields = {
        "method": "$request_method",
        "path": "$request_uri",
        "range": "$http_range",
        "if_match": "$http_if_match",
        "accept_encoding": "$http_accept_encoding",
        "user_agent": "$http_user_agent",
        "connection": "$connection",
    }
    noted = ",".join(f'"{name}":"{value}"' for name, value in fields.items())
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/log warn; {user}
events {{ worker_connections 1024; }}
http {{
  log_format note escape=json '{{{noted},"status":$status,"sent":$body_bytes_sent}}';
  access_log {folder}/access note;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  default_type application/octet-stream; sendfile on; tcp_nopush on; keepalive_requests 1000000; etag on;
  map $request_uri $beyond {{ "~^/redirect(?<beyond_as_sent>/.*)$" $beyond_as_sent; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024; root {folder}/www;
    location / {{ }}
    location /norange/ {{ alias {folder}/www/; max_ranges 0; }}
    location /noetag/ {{ alias {folder}/www/; etag off; add_header Last-Modified ""; }}
    location /gzip/ {{ alias {folder}/www/; gzip on; gzip_types *; gzip_min_length 1; }}
    location /private/ {{ alias {folder}/www/; auth_basic "tests"; auth_basic_user_file {folder}/users; }}
    location /redirect/ {{ return 302 $beyond; }}
    location /nohead/ {{ alias {folder}/www/; if ($request_method = HEAD) {{ return 405; }} }}
    location /e403/ {{ return 403; }}
    location /e503/ {{ return 503; }}
  }}
}}
"""
