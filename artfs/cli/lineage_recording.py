"""Lineage of what the command line does, when it is told which run it works for (`--run` or ARTFS_RUN_ID).

A run id that the registry has not seen is a run that begins here: `export ARTFS_RUN_ID=train-7` at the top of a shell script is all
it takes for `get` and `put` in it to build the graph.
"""

from __future__ import annotations

from artfs.config import Config
from artfs.errors import AlreadyExists, NotFound
from artfs.model.records import Direction, VersionRecord
from artfs.repository.repository import Repository


def ensure_run(repository: Repository, config: Config, run_id: str) -> None:
    """Make sure that there is a run of this id."""
    try:
        repository.registry.runs.get(run_id)
    except NotFound:
        try:
            repository.registry.runs.create(config.entity, config.project, run_id=run_id)
        except AlreadyExists:  # another command of the same script was faster
            repository.registry.runs.get(run_id)


def record_input(repository: Repository, config: Config, run_id: str | None, version: VersionRecord) -> None:
    """`version` was used by the run, if there is one."""
    if run_id:
        ensure_run(repository, config, run_id)
        repository.registry.lineage.add(run_id, version.id, Direction.INPUT)
