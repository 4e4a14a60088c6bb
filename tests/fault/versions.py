"""The commit that the fault tests interrupt, and what must be true after it whatever happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from artfs.model.entry import Kind, directory_entry, pack_key
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import CommitOutcome, VersionRecord
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.gc import collect_garbage
from artfs.repository.repository import Repository
from artfs.repository.verify import verify_repository

Files = Mapping[str, bytes]

ARTIFACT = ArtifactName("tester", "default", "bike-dataset")
BEFORE: Files = {"a/one.bin": bytes(range(256)) * 500, "a/two.txt": b"two\n", "gone.txt": b"gone\n"}
AFTER: Files = {"a/one.bin": BEFORE["a/one.bin"], "a/two.txt": b"changed\n", "b/new.bin": bytes(range(255, -1, -1)) * 700}
AFTER_THAT: Files = {**AFTER, "c.txt": b"the next commit\n"}


def commit(
    repository: Repository,
    files: Files,
    *,
    aliases: Sequence[str] = (),
    run_id: str | None = None,
    empty_directories: Sequence[str] = (),
    artifact: ArtifactName = ARTIFACT,
) -> CommitOutcome:
    """Make a version of `files` from memory, the way every caller does."""
    ingest = begin_ingest(repository, artifact.entity)
    try:
        entries = [ingest.add_bytes(data, path, mtime_ns=1_700_000_000_000_000_000) for path, data in files.items()]
        entries += map(directory_entry, empty_directories)
    except BaseException:
        ingest.abort()
        raise
    return commit_entries(repository, ingest, entries, CommitRequest(artifact, "dataset", aliases=aliases, run_id=run_id))


def read_all(repository: Repository, version: VersionRecord) -> dict[str, bytes]:
    entries = repository.manifest(version).iter_entries()
    return {entry.path: repository.reader.read(entry, 0, entry.size) for entry in entries if entry.kind is Kind.FILE}


def resolve(repository: Repository, selector: str, artifact: ArtifactName = ARTIFACT) -> VersionRecord:
    return repository.registry.versions.resolve(VersionName(artifact, selector))


def assert_sound(repository: Repository) -> None:
    problems = verify_repository(repository, read_data=True).problems
    assert not problems, "\n".join(map(str, problems))


def expire_leases(repository: Repository) -> None:
    """What time does to the leases of processes that are dead."""
    for lease in repository.registry.leases.list_active():
        repository.registry.leases.end(lease.id)


def assert_gc_leaves_exactly_what_is_needed(repository: Repository) -> None:
    collect_garbage(repository, grace_s=0)
    registry = repository.registry
    needed = {pack for version in registry.versions.iter_live() for pack in registry.versions.needed_packs(version.id)}
    needed |= registry.contributions.needed_packs(record.id for record in registry.contributions.list_all())
    assert {pack.id for pack in repository.registry.packs.iter_all()} == needed
    assert {info.key for info in repository.objects.iter_objects("packs/")} == {pack_key(pack) for pack in needed}
    assert not repository.registry.leases.list_active()


def assert_all_or_nothing(repository: Repository) -> bool:
    """After an interrupted commit of AFTER on top of BEFORE: True if it took place."""
    versions = repository.registry.versions.list(ARTIFACT)
    numbers = [version.number for version in versions]
    assert numbers in ([0], [1, 0])
    happened = len(versions) == 2
    assert read_all(repository, resolve(repository, "v0")) == BEFORE
    assert versions[0].aliases == (("best", "latest") if happened else ("latest",))
    assert read_all(repository, versions[0]) == (AFTER if happened else BEFORE)
    producers = repository.registry.lineage.producers(versions[0].id)
    assert [run.id for run in producers] == (["the-run"] if happened else [])
    assert_sound(repository)
    return happened


def assert_recovers(repository: Repository, *, happened: bool) -> None:
    """The same commit and another one work, and gc brings the store to what the versions need."""
    again = commit(repository, AFTER, aliases=["best"], run_id="the-run")
    assert again.created is not happened
    assert again.version.number == 1
    assert commit(repository, AFTER_THAT).version.number == 2
    assert read_all(repository, resolve(repository, "latest")) == AFTER_THAT
    expire_leases(repository)
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert_sound(repository)
    assert read_all(repository, resolve(repository, "v0")) == BEFORE
