"""contribute and finish_contributions: what is kept, what is refused, and what is read and written for it."""

from __future__ import annotations

import pytest

from artfs.errors import ContributionsDiffer, InternalError, NameNotValid, NotFound, NothingContributed, UserError
from artfs.model.entry import symlink_entry
from artfs.model.names import ArtifactName
from artfs.repository.commit import CommitRequest, begin_ingest
from artfs.repository.contribute import contribute, finish_contributions, list_unfinished
from artfs.repository.gc import collect_garbage
from artfs.repository.repository import Repository
from tests.fault.contributing import ALL, ARTIFACT, FIRST, OWN, SECOND, TOGETHER, finish, make_runs, read, upsert
from tests.fault.versions import resolve

REQUEST = CommitRequest(ARTIFACT, "dataset", run_id="finisher")


def test_a_finish_reads_manifests_and_no_data(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")
    upsert(repository, SECOND, "second")
    before = repository.objects.counts()
    finish(repository, {})
    after = repository.objects.counts()
    assert after["put"] - before["put"] == 1, "the manifest of the version"
    reads = {name: after[name] - before[name] for name in ("get", "read_range", "bytes_read")}
    assert reads["get"] + reads["read_range"] <= 2 * 2, "a root and a page of each contribution"
    assert reads["bytes_read"] < 4096
    assert read(repository, "v0") == {**FIRST, **SECOND}


def test_an_unchanged_file_keeps_the_entry_of_the_version_before(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")
    one = finish(repository).version
    ingest = begin_ingest(repository, "tester")
    entries = [ingest.add_bytes(data, path) for path, data in FIRST.items()]
    contribute(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset", run_id="second"), TOGETHER)
    two = finish(repository, {"new": b"new"}).version
    assert repository.manifest(two).get("shared.txt") == repository.manifest(one).get("shared.txt")


def test_links_are_content_and_the_executable_bit_is_what_any_writer_says(repository: Repository) -> None:
    make_runs(repository)
    for run_id, executable in (("first", False), ("second", True)):
        ingest = begin_ingest(repository, "tester")
        entries = [ingest.add_bytes(b"run", "run.sh", executable=executable), symlink_entry("link", "run.sh", 0)]
        contribute(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset", run_id=run_id), TOGETHER)
    finished = repository.manifest(finish(repository).version).get("run.sh")
    assert finished is not None
    assert finished.executable
    for run_id in ("first", "second"):
        contribute(
            repository,
            begin_ingest(repository, "tester"),
            [symlink_entry("link", run_id, 0)],
            CommitRequest(ARTIFACT, "dataset", run_id=run_id),
            TOGETHER,
        )
    with pytest.raises(ContributionsDiffer, match=r"'link' has one content from first and another from second;"):
        finish(repository)


def test_after_differing_contributions_the_ingest_goes_on_and_after_other_errors_it_does_not(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, {"x": b"1"}, "first")
    ingest = begin_ingest(repository, "tester")
    entry = ingest.add_bytes(b"2", "x")
    with pytest.raises(ContributionsDiffer):
        finish_contributions(repository, ingest, [entry], REQUEST, TOGETHER)
    assert repository.leases.held == {ingest.lease}
    again = [ingest.add_bytes(b"1", "x"), ingest.add_bytes(b"2", "y")]
    assert finish_contributions(repository, ingest, again, REQUEST, TOGETHER).version.number == 0
    assert read(repository, "v0") == {"x": b"1", "y": b"2"}
    ingest = begin_ingest(repository, "tester")
    unknown = CommitRequest(ARTIFACT, "dataset", run_id="nobody")
    with pytest.raises(NotFound):
        finish_contributions(repository, ingest, [ingest.add_bytes(b"3", "z")], unknown, TOGETHER)
    assert not repository.leases.held
    assert not repository.registry.leases.list_active()


def test_a_finish_of_nothing_is_refused_with_what_waits_and_the_ingest_goes_on(repository: Repository) -> None:
    make_runs(repository)
    ingest = begin_ingest(repository, "tester")
    with pytest.raises(
        NothingContributed, match=r"parts has nothing to finish under .*'a-group'.*; call upsert_artifact\(\) first"
    ):
        finish_contributions(repository, ingest, [], REQUEST, TOGETHER)
    for number in range(5):
        upsert(repository, FIRST, "first", together=f"g{number}")
    with pytest.raises(NothingContributed, match=r"finish one that waits \('g0', 'g1', 'g2' and 2 more\)"):
        finish_contributions(repository, ingest, [], REQUEST, TOGETHER)
    assert repository.registry.versions.list(ARTIFACT) == []
    assert finish_contributions(repository, ingest, [], REQUEST, "g0").version.number == 0
    assert not repository.leases.held


def test_a_finish_after_contributions_were_given_up_is_refused(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")
    collect_garbage(repository, grace_s=0, abandoned_s=0)
    with pytest.raises(NothingContributed, match="or it was given up as abandoned"):
        finish(repository, {})
    assert repository.registry.versions.list(ARTIFACT) == []


def test_a_version_that_was_deleted_is_not_finished_again(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")
    repository.registry.versions.delete(finish(repository).version.id, delete_aliases=True)
    with pytest.raises(NothingContributed):
        finish(repository, {})
    assert finish(repository).version.number == 1


def test_what_cannot_be_contributed_is_refused_and_leaves_nothing(repository: Repository) -> None:
    make_runs(repository)
    refused: list[tuple[CommitRequest, list[str], type[Exception]]] = [
        (CommitRequest(ARTIFACT, "dataset"), ["a"], InternalError),
        (CommitRequest(ARTIFACT, None, run_id="first"), ["a"], NotFound),
        (CommitRequest(ArtifactName("other", "default", "parts"), "dataset", run_id="first"), ["a"], UserError),
        (CommitRequest(ARTIFACT, "dataset", run_id="first"), ["x", "x/y"], NameNotValid),
        (CommitRequest(ARTIFACT, "dataset", run_id="nobody"), ["a"], NotFound),
    ]
    for request, paths, error in refused:
        ingest = begin_ingest(repository, "tester")
        entries = [ingest.add_bytes(path.encode(), path) for path in paths]
        with pytest.raises(error):
            contribute(repository, ingest, entries, request, TOGETHER)
    assert list_unfinished(repository) == []
    assert not repository.leases.held


def test_unfinished_sets_are_listed(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")
    upsert(repository, SECOND, "second")
    (found,) = list_unfinished(repository)
    assert (found.artifact, found.distributed_id, found.writers) == (ARTIFACT, TOGETHER, ("first", "second"))
    assert (found.contributions, found.file_count) == (2, len(FIRST) + len(SECOND))
    finish(repository)
    assert list_unfinished(repository) == []
    assert resolve(repository, "latest", ARTIFACT).file_count == len(ALL)
    assert set(OWN) < set(ALL)
