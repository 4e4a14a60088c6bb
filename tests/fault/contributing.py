"""The parallel runs that the fault tests interrupt, and what must be true of them whatever happened."""

from __future__ import annotations

from collections.abc import Iterable

from artfs.model.names import ArtifactName
from artfs.model.records import CommitOutcome
from artfs.repository.commit import CommitRequest, begin_ingest
from artfs.repository.contribute import contribute, finish_contributions
from artfs.repository.repository import Repository
from tests.fault.versions import Files, read_all, resolve

ARTIFACT = ArtifactName("tester", "default", "parts")
TOGETHER = "a-group"
FIRST: Files = {"parts/0.bin": bytes(range(256)) * 500, "shared.txt": b"shared\n"}
SECOND: Files = {"parts/1.bin": bytes(range(255, -1, -1)) * 700, "shared.txt": b"shared\n"}
OWN: Files = {"whole.txt": b"whole\n"}
ALL: Files = {**FIRST, **SECOND, **OWN}
RUNS = ("first", "second", "finisher")


def make_runs(repository: Repository, runs: Iterable[str] = RUNS) -> None:
    for run_id in runs:
        repository.registry.runs.create("tester", "default", run_id=run_id)


def upsert(repository: Repository, files: Files, run_id: str, *, together: str = TOGETHER) -> None:
    ingest = begin_ingest(repository, ARTIFACT.entity)
    try:
        entries = [ingest.add_bytes(data, path, mtime_ns=1_700_000_000_000_000_000) for path, data in files.items()]
    except BaseException:
        ingest.abort()
        raise
    contribute(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset", run_id=run_id), together)


def finish(repository: Repository, files: Files = OWN, run_id: str = "finisher", *, together: str = TOGETHER) -> CommitOutcome:
    ingest = begin_ingest(repository, ARTIFACT.entity)
    try:
        entries = [ingest.add_bytes(data, path, mtime_ns=1_700_000_000_000_000_000) for path, data in files.items()]
    except BaseException:
        ingest.abort()
        raise
    return finish_contributions(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset", run_id=run_id), together)


def contributors(repository: Repository) -> list[str]:
    """The runs whose contributions wait for a finish."""
    return [record.run_id for record in repository.registry.contributions.list_of(ARTIFACT, TOGETHER)]


def producers(repository: Repository, selector: str) -> list[str]:
    return [run.id for run in repository.registry.lineage.producers(resolve(repository, selector, ARTIFACT).id)]


def read(repository: Repository, selector: str) -> dict[str, bytes]:
    return read_all(repository, resolve(repository, selector, ARTIFACT))
