"""A commit whose lease is lost before it ends: it fails cleanly, and is done once more where the source is still there (I4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, TextIOWrapper

import pytest

from artfs.cli.commands.put import Finding, put_sources
from artfs.cli.sources import Source
from artfs.config import Config
from artfs.errors import LeaseLost
from artfs.model.entry import LeaseId
from artfs.registry.leases import Leases
from artfs.repository.commit import CommitRequest
from artfs.repository.commit_folder import commit_folder
from artfs.repository.gc import collect_garbage
from artfs.repository.leases import LeaseKeeper
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.conftest import MakeDataset
from tests.fault.versions import ARTIFACT, BEFORE, assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, read_all, resolve


class LosesLeases(LeaseKeeper):
    """The first `losing` leases it opens are over at once, as if their holder had slept and a gc had come by."""

    def __init__(self, table: Leases, losing: int) -> None:
        super().__init__(table)
        self._leases = table
        self.losing = losing

    def open(self, entity: str) -> LeaseId:
        lease = super().open(entity)
        if self.losing:
            self.losing -= 1
            self._leases.end(lease)
        return lease


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, config: Config) -> Iterator[Repository]:
    if request.param == "sqlite":
        with open_repository(config) as repository:
            yield repository
        return
    server = request.getfixturevalue("postgres_server")
    url = server.create_database()
    with open_repository(replace(config, registry=url)) as repository:
        yield repository
    server.drop_database(url)


def losing(repository: Repository, count: int) -> Repository:
    return replace(repository, leases=LosesLeases(repository.registry.leases, count))


def test_folder_is_taken_in_again_when_the_lease_was_lost(opened: Repository, dataset: MakeDataset) -> None:
    folder = dataset(BEFORE)
    outcome = commit_folder(losing(opened, 1), folder, CommitRequest(ARTIFACT, "dataset"))
    assert (outcome.created, outcome.version.number) == (True, 0)
    assert read_all(opened, outcome.version) == BEFORE
    assert_gc_leaves_exactly_what_is_needed(opened)
    assert_sound(opened)


def test_lease_that_is_lost_again_is_one_clear_error_and_nothing_is_visible(opened: Repository, dataset: MakeDataset) -> None:
    with pytest.raises(LeaseLost, match="commit it again"):
        commit_folder(losing(opened, 2), dataset(BEFORE), CommitRequest(ARTIFACT, "dataset"))
    assert opened.registry.collections.find(ARTIFACT) is None
    collect_garbage(opened, grace_s=0)
    assert list(opened.objects.iter_objects("packs/")) == []


def test_commit_of_what_is_there_no_more_fails_and_can_be_done_again(opened: Repository) -> None:
    tired = losing(opened, 1)
    with pytest.raises(LeaseLost):
        commit(tired, BEFORE)
    assert commit(tired, BEFORE).version.number == 0
    assert read_all(opened, resolve(opened, "latest")) == BEFORE
    assert_gc_leaves_exactly_what_is_needed(opened)


def test_gc_beside_a_commit_that_is_done_again_takes_only_the_lost_one(opened: Repository, dataset: MakeDataset) -> None:
    class GcComesBy(LosesLeases):
        def open(self, entity: str) -> LeaseId:
            lease = super().open(entity)
            collect_garbage(opened, grace_s=0)
            return lease

    repository = replace(opened, leases=GcComesBy(opened.registry.leases, 1))
    outcome = commit_folder(repository, dataset(BEFORE), CommitRequest(ARTIFACT, "dataset"))
    assert read_all(opened, outcome.version) == BEFORE
    assert_sound(opened)


def test_stdin_is_taken_in_again_when_the_lease_was_lost(opened: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"said once")))
    request, finding = CommitRequest(ARTIFACT, "dataset"), Finding(checksum=True, max_objects=1)
    outcome = put_sources(losing(opened, 1), [Source("-", "said.txt")], request, finding)
    assert read_all(opened, outcome.version) == {"said.txt": b"said once"}
    assert_gc_leaves_exactly_what_is_needed(opened)
