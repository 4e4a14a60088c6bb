"""A real PostgreSQL server for tests: started in a folder of its own, on a free port of 127.0.0.1, and stopped again.

PostgreSQL refuses to run as root; then it runs as the user `postgres`, in a folder that this user owns. Nothing is synchronised to
disk: tests of power cuts are elsewhere. One server serves one test process (each xdist worker starts its own when a test first asks
for it); each test gets a database of its own.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg

_START_TIMEOUT_S = 60
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")


class PostgresServer:
    """A running server. Make one with `start`, end it with `stop`."""

    def __init__(self, folder: Path, port: int, bin_dir: Path, as_user: tuple[str, ...]) -> None:
        self._folder = folder
        self._bin_dir = bin_dir
        self._as_user = as_user
        self._names = (f"test_{number}" for number in itertools.count())
        self.port = port

    @classmethod
    def start(cls) -> PostgresServer:
        """Make a new server and wait until it answers. Fails, and never skips, when PostgreSQL is not installed."""
        bin_dir = _find_bin_dir()
        # Directly below the system's folder for temporary files: pytest's own cannot be entered by another user.
        folder = Path(tempfile.mkdtemp(prefix="artfs-postgres-"))
        as_user: tuple[str, ...] = ()
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            as_user = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
        server = cls(folder, _free_port(), bin_dir, as_user)
        try:
            server._run(
                "initdb", "-D", str(folder / "data"), "-U", "artfs", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"
            )
            server.resume()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return server

    def resume(self) -> None:
        """Start the server again after `pause`, on the same port."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} "
        options += " ".join(f"-c {setting}" for setting in _SETTINGS)
        log = str(self._folder / "log")
        try:
            self._run("pg_ctl", "start", "-D", self._data, "-l", log, "-o", options, "-w", "-t", str(_START_TIMEOUT_S))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{Path(log).read_text(errors='replace')}") from error

    def pause(self) -> None:
        """Stop the server; connections are cut."""
        self._run("pg_ctl", "stop", "-D", self._data, "-m", "fast", "-w")

    def stop(self) -> None:
        """Stop the server and delete its folder."""
        self._run("pg_ctl", "stop", "-D", self._data, "-m", "immediate", "-w")
        shutil.rmtree(self._folder)

    def create_database(self) -> str:
        """The URL of a new, empty database."""
        name = next(self._names)
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            # Copying by file is the cheaper way for a database this small.
            connection.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY".encode())
        return self._url(name)

    def drop_database(self, url: str) -> None:
        """Delete a database before its files have been written to disk; connections to it are cut."""
        name = url.rpartition("/")[2]
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def _url(self, database: str) -> str:
        return f"postgresql://artfs@127.0.0.1:{self.port}/{database}"

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._bin_dir / program), *arguments]
        # Output goes to a file: the server inherits it, and a pipe would stay open as long as the server runs.
        with tempfile.TemporaryFile() as output:
            code = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd="/", check=False
            ).returncode
            output.seek(0)
            said = output.read().decode(errors="replace")
        if code:
            raise AssertionError(f"{program} ended with {code}: {said}")


def _find_bin_dir() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    raise AssertionError("PostgreSQL is not installed: apt-get install -y --no-install-recommends postgresql")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
