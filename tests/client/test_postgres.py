"""The same scripts with a registry in PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import artfs
from tests.client.test_races import WORKER, check_contiguous
from tests.servers.postgres import PostgresServer


@pytest.fixture
def postgres_environ(postgres_server: PostgresServer, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    url = postgres_server.create_database()
    monkeypatch.setenv("ARTFS_REGISTRY", url)
    return {**environ, "ARTFS_REGISTRY": url}


def test_the_walkthrough_runs_on_postgresql(postgres_environ: dict[str, str]) -> None:
    script = Path(__file__).with_name("walkthrough.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", script], env=postgres_environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "versions [('v3', ['latest']), ('v0', ['replaced'])]"
    with artfs.init(project="bikes", config={"text": "grüße"}) as run:
        assert run.use_artifact("bike-dataset:replaced").metadata == {"all": "new"}


def test_processes_that_log_one_name_get_contiguous_numbers_on_postgresql(postgres_environ: dict[str, str]) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", WORKER, f"p{number}"], env=postgres_environ, stderr=subprocess.PIPE, text=True)
        for number in range(3)
    ]
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, told
    check_contiguous(1 + 3 * 4)
