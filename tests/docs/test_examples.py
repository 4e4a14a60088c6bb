"""The examples in `scripts/examples` run as they are, each in processes of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.config import Config
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import RunRecord, VersionRecord
from artfs.repository.open import open_repository
from artfs.repository.verify import verify_repository

EXAMPLES = Path(__file__).parents[2] / "scripts" / "examples"
TIMEOUT_S = 240


def run_example(name: str, environ: dict[str, str]) -> list[str]:
    """What it prints; it and all that it has started is ended when it takes too long."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    script = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = script.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(script.pid, signal.SIGKILL)
        raise
    assert script.returncode == 0, out + err
    lines: list[str] = out.splitlines()
    return lines


def finished(config: Config, name: str) -> tuple[VersionRecord, list[RunRecord]]:
    """The only version of that name, which is sound, and its producers."""
    with open_repository(config) as repository:
        artifact = ArtifactName(config.entity, config.project, name)
        assert verify_repository(repository, read_data=True).problems == []
        assert repository.registry.contributions.list_all() == []
        assert len(repository.registry.versions.list(artifact)) == 1
        version = repository.registry.versions.resolve(VersionName(artifact, "latest"))
        return version, repository.registry.lineage.producers(version.id)


@pytest.fixture
def ray_folder() -> Iterator[str]:
    """Directly below the folder for temporary files: Ray has sockets in it, whose paths must be short."""
    folder = tempfile.mkdtemp(prefix="artfs-ray-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_processes_of_one_machine_build_one_version(environ: dict[str, str], config: Config) -> None:
    lines = run_example("parallel_multiprocessing.py", environ)
    assert lines == [*(f"shard-{number} contributed" for number in range(8)), "squares:v0: 9 files, 8 notes"]
    version, producers = finished(config, "squares")
    assert (version.file_count, len(version.metadata)) == (9, 8)
    assert {run.name for run in producers[:8]} == {f"shard-{number}" for number in range(8)}
    assert [run.name for run in producers[8:]] == ["finisher"]


@pytest.mark.slow
def test_writers_on_ray_build_one_table(environ: dict[str, str], config: Config, ray_folder: str) -> None:
    ray = {"RAY_TMPDIR": ray_folder, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "HOME": ray_folder}
    # Its processes talk to each other by HTTP on this machine.
    without_proxies = {name: value for name, value in environ.items() if not name.lower().endswith("_proxy")}
    lines = run_example("parallel_ray.py", {**without_proxies, **ray})
    assert [line.partition(" from process")[0] for line in lines[:5]] == [
        f"writer-{number} contributed 100 rows" for number in range(5)
    ]
    assert lines[5:] == [
        "measurements:v0: 500 rows, 5 writers, sum 4950.0",
        "  distributed_table.partitioned-table.json",
        *(f"  parts/table_{number}.table.parquet" for number in range(5)),
    ]
    version, producers = finished(config, "measurements")
    assert version.description == "built by 5 writers"
    assert sorted(run.name for run in producers) == ["finisher", *(f"writer-{number}" for number in range(5))]
