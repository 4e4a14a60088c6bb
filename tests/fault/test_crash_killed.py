"""A process that is killed at any write of a commit (I1): fresh processes see all or nothing, and go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from artfs.config import Config, load_config
from artfs.repository.open import open_repository
from tests.fault.versions import BEFORE, assert_all_or_nothing, assert_recovers, commit


@pytest.fixture
def template(config: Config) -> Config:
    with open_repository(config) as repository:
        repository.registry.runs.create("tester", "default", run_id="the-run")
        commit(repository, BEFORE)
    return config


@pytest.mark.parametrize("how", ["calls", "system"])
def test_killed_commit_is_seen_wholly_or_not_at_all(how: str, template: Config, tmp_path: Path, environ: dict[str, str]) -> None:
    folder = tmp_path / "homes"
    folder.mkdir()
    command = [sys.executable, "-m", "tests.fault.crash_worker", how, str(template.data_dir.parent), str(folder)]
    root = Path(__file__).parents[2]
    worker = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert worker.returncode == 0, worker.stderr
    points = worker.stdout.split("\n")[:-1]
    if how == "calls":
        assert {"before put", "after put", "after packs.add", "before versions.commit", "after versions.commit"} <= set(points)
    else:
        assert {"open"} < set(points)
    seen = {True: 0, False: 0}
    for point, home in zip(points, sorted(folder.iterdir()), strict=False):
        config = load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(home)})
        with open_repository(config) as repository:
            happened = assert_all_or_nothing(repository)
            seen[happened] += 1
            assert happened or point != "after versions.commit"
            assert_recovers(repository, happened=happened)
    assert seen[False] >= 5
