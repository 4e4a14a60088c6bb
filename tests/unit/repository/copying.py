"""A small history to copy, copying it whole, and what must be equal on both sides afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from blake3 import blake3

from artfs.model.names import ArtifactName
from artfs.model.records import Direction, RunState, VersionRecord
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.copy import CopyReport, copy_planned, plan_copy
from artfs.repository.repository import Repository
from tests.fault.versions import assert_sound, commit, read_all

DATASET = ArtifactName("tester", "default", "bike-dataset")
MODEL = ArtifactName("tester", "default", "bike-model")


def noise(seed: int, size: int) -> bytes:
    """Bytes that compress to nothing less, equal for equal seeds."""
    return blake3(seed.to_bytes(8, "big")).digest(size)


#: Long enough that its chunk references are kept in lists: more than 1 024 chunks.
LONG = b"".join(noise(block % 3, 1 << 20) + block.to_bytes(4, "big") for block in range(90))
FIRST: Mapping[str, bytes] = {
    "labels.csv": b"name,label\n" * 400,
    "empty": b"",
    **{f"images/{number:03}.png": noise(1000 + number, 3000 + number) for number in range(300)},
}
SECOND: Mapping[str, bytes] = {**FIRST, "labels.csv": b"name,label\n" * 401}
THIRD: Mapping[str, bytes] = {**SECOND, "more/big.bin": noise(7, 700_000)}


def make_history(repository: Repository) -> None:
    """`bike-dataset` with v0 (`first`), v1 (deleted), v2 and v3 (`best`, `latest`), and `bike-model:v0`, which was made from v0."""
    runs = repository.registry.runs
    for name in ("prepare", "train"):
        runs.create("tester", "default", run_id=name, job_type=name, group="night", config={"lr": 0.1})
    commit(repository, FIRST, aliases=["first"], run_id="prepare", artifact=DATASET, empty_directories=["nothing-yet"])
    gone = commit(repository, {"gone.txt": b"gone"}, artifact=DATASET).version
    commit(repository, SECOND, run_id="prepare", artifact=DATASET)
    last = commit(repository, THIRD, aliases=["best"], artifact=DATASET).version
    repository.registry.versions.update(last.id, description="the third", set_metadata={"rows": 3, "nested": {"a": [1, None]}})
    repository.registry.versions.delete(gone.id, delete_aliases=True)
    repository.registry.lineage.add("train", repository.registry.versions.list(DATASET)[-1].id, Direction.INPUT)
    request = CommitRequest(MODEL, "model", run_id="train")
    ingest = begin_ingest(repository, "tester")
    entries = [ingest.add_bytes(b"weights" * 1000, "model.bin", mtime_ns=5, executable=True)]
    entries += repository.references.find("https://example.org/weights.bin", name="weights.bin", checksum=False)
    commit_entries(repository, ingest, entries, request)
    runs.finish("prepare", RunState.FINISHED)


def copy_all(
    source: Repository, destination: Repository, names: Iterable[ArtifactName] = (DATASET, MODEL), **options: Any
) -> CopyReport:
    """Copy the artifacts under their own names, and demand that nothing is in the way."""
    return copy_as(source, destination, {name: name for name in names}, **options)


def copy_as(source: Repository, destination: Repository, names: Mapping[ArtifactName, ArtifactName], **options: Any) -> CopyReport:
    plan = plan_copy(source, destination, names)
    for conflict in plan.conflicts.values():
        raise conflict
    return copy_planned(source, destination, plan.artifacts, **options)


def facts(repository: Repository, artifact: ArtifactName) -> list[dict[str, Any]]:
    """All that a copy keeps of the versions of an artifact."""
    return [_facts(repository, version) for version in repository.registry.versions.list(artifact)]


def _facts(repository: Repository, version: VersionRecord) -> dict[str, Any]:
    entries = list(repository.manifest(version).iter_entries())
    return {
        "version": (version.number, version.digest, version.type, version.size, version.file_count, version.description),
        "metadata": dict(version.metadata),
        "created_at": version.created_at,
        "aliases": version.aliases,
        "entries": [
            (entry.path, entry.kind, entry.size, entry.executable, entry.mtime_ns, entry.digest, entry.reference)
            for entry in entries
        ],
        "producers": repository.registry.lineage.producers(version.id),
        "consumers": repository.registry.lineage.consumers(version.id),
    }


def assert_same(source: Repository, destination: Repository, names: Iterable[ArtifactName] = (DATASET, MODEL)) -> None:
    """Everything is equal, byte for byte, and the destination is sound."""
    assert_sound(destination)
    for name in names:
        assert facts(destination, name) == facts(source, name)
        versions = zip(source.registry.versions.list(name), destination.registry.versions.list(name), strict=True)
        for one, other in versions:
            assert read_all(destination, other) == read_all(source, one)
