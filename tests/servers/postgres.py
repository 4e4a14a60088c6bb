"""A real PostgreSQL server for tests: started in a folder of its own, on a free port of 127.0.0.1, and stopped again.

PostgreSQL refuses to run as root; then it runs as the user `postgres`, in a folder that this user owns. Nothing is synchronised to
disk: tests of power cuts are elsewhere; but a server that is `crash_safe` loses no transaction by `kill`. One server serves one
test process (each xdist worker starts its own when a test first asks for it); each test gets a database of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.servers.program import free_ports

_START_TIMEOUT_S = 60
_SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")
#: What the last transactions wrote stays in the server's memory for a while: quicker, and lost when it is killed.
_LAZY = ("synchronous_commit=off",)


class PostgresServer:
    """A running server. Make one with `start`, end it with `stop`."""

    def __init__(self, folder: Path, host: str, bin_dir: Path, *, as_user: tuple[str, ...], settings: tuple[str, ...]) -> None:
        self._folder = folder
        self._bin_dir = bin_dir
        self._as_user = as_user
        self._settings = settings
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"test_{number}" for number in itertools.count())
        self.host = host
        self.port = free_ports(1)[0]

    @classmethod
    def start(cls, host: str = "127.0.0.1", *, crash_safe: bool = False) -> PostgresServer:
        """Make a new server and wait until it answers. Fails, and never skips, when PostgreSQL is not installed.

        `host` is an address of this machine, or of the network namespace that the calling thread is in (`link.py`).
        """
        bin_dir = _find_bin_dir()
        # Directly below the system's folder for temporary files: pytest's own cannot be entered by another user.
        folder = Path(tempfile.mkdtemp(prefix="artfs-postgres-"))
        as_user: tuple[str, ...] = ()
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            as_user = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
        settings = _SETTINGS if crash_safe else (*_SETTINGS, *_LAZY)
        server = cls(folder, host, bin_dir, as_user=as_user, settings=settings)
        try:
            server._initialise()
            server.resume()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return server

    def resume(self) -> None:
        """Start the server again after `pause` or `kill`, on the same port, and wait until it answers. Main thread."""
        listen = (f"port={self.port}", f"listen_addresses={self.host}", f"unix_socket_directories={self._folder}")
        settings = (*listen, *self._settings)
        options = [word for setting in settings for word in ("-c", setting)]
        # The kernel ends the server when the tests are killed and cannot: SIGQUIT is its immediate shutdown.
        command = ["setpriv", "--pdeathsig=QUIT", *self._as_user, str(self._bin_dir / "postgres"), "-D", str(self._data), *options]
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd="/")
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._shut_down(signal.SIGQUIT)
                raise AssertionError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)

    def pause(self) -> None:
        """Stop the server; connections are cut."""
        self._shut_down(signal.SIGINT)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def kill(self) -> None:
        """End all of the server's processes as a crash does."""
        assert self._process is not None
        # Stopped first, so that it neither starts another process nor cleans up after those that are ended.
        self._process.send_signal(signal.SIGSTOP)
        main = self._process.pid
        children = [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]
        for pid in children:
            _kill_and_wait(pid)
        self._shut_down(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server and delete its folder."""
        self._shut_down(signal.SIGQUIT)
        shutil.rmtree(self._folder)

    def _shut_down(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_START_TIMEOUT_S)
            self._process = None

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=_START_TIMEOUT_S).close()
        except psycopg.OperationalError:
            return False
        return True

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
        return f"postgresql://artfs@{self.host}:{self.port}/{database}"

    def _initialise(self) -> None:
        command = [*(("setpriv", *self._as_user) if self._as_user else ()), str(self._bin_dir / "initdb"), "-D", str(self._data)]
        command += ["-U", "artfs", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        if done.returncode:
            raise AssertionError(f"initdb ended with {done.returncode}: {done.stderr or done.stdout}")
        # initdb trusts addresses of this machine; one in a namespace is reached from another one, through the link between them.
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")


def _find_bin_dir() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    raise AssertionError("PostgreSQL is not installed: apt-get install -y --no-install-recommends postgresql")


def _kill_and_wait(pid: int) -> None:
    """Until it is gone: a server that is started while one still holds the shared memory refuses to run."""
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [], _START_TIMEOUT_S)
        finally:
            os.close(process)
