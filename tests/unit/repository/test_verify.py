"""The checks of verify, each over a survey in which its invariant is broken; damage to bytes is in tests/fault."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from artfs.config import Config
from artfs.model.digest import digest_of
from artfs.model.entry import lease_prefix, pack_key
from artfs.model.records import VersionRecord, VersionState
from artfs.objectstore.metered import MeteredStore
from artfs.objectstore.open import open_objects
from artfs.objectstore.protocol import ObjectInfo, ObjectStore
from artfs.registry.open import open_registry
from artfs.repository.gc import collect_garbage
from artfs.repository.open import assemble_repository, open_repository
from artfs.repository.repack import repack
from artfs.repository.repository import Repository
from artfs.repository.survey import Survey, take_survey
from artfs.repository.verify import verify_repository
from artfs.repository.verify_checks import (
    CHECKS,
    check_content_unchanged,
    check_equal_content_is_one_version,
    check_needed_packs_stay,
    check_nothing_dangles,
)
from artfs.repository.verify_data import check_every_byte
from tests.fault.contributing import FIRST, make_runs, upsert
from tests.fault.versions import BEFORE, commit


@pytest.fixture
def survey(repository: Repository) -> Survey:
    commit(repository, BEFORE)
    commit(repository, {**BEFORE, "more": b"more"})
    return take_survey(repository)


def _change_first(survey: Survey, change: Callable[[VersionRecord], VersionRecord]) -> Survey:
    first, *rest = survey.versions
    return replace(survey, versions=[change(first), *rest])


def test_sound_repository_has_no_problems(repository: Repository, survey: Survey) -> None:
    for check in CHECKS:
        assert list(check(survey)) == []
    seen: list[tuple[int, int]] = []
    report = verify_repository(repository, read_data=True, on_progress=lambda done, total: seen.append((done, total)))
    assert report.is_sound
    assert (report.versions, report.packs, report.unknown_objects) == (2, 4, 0)
    assert report.bytes_read > 0
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == sum(survey.objects.values())


def test_empty_repository_is_sound(repository: Repository) -> None:
    assert verify_repository(repository, read_data=True).is_sound


def test_every_check_says_its_number_and_what_it_checks() -> None:
    for check in CHECKS:
        assert check.__doc__ is not None
        assert check.__doc__.startswith("I")


def test_missing_object_short_object_and_missing_row_break_i1(survey: Survey) -> None:
    pack = min(survey.all_needed())
    without = {key: size for key, size in survey.objects.items() if key != pack_key(pack)}
    rows = {key: row for key, row in survey.packs.items() if key != pack}
    uncommitted = {**survey.packs, pack: replace(survey.packs[pack], committed=False)}
    broken = [
        (replace(survey, objects=without), "is missing"),
        (replace(survey, objects={**survey.objects, pack_key(pack): 1}), "has 1 bytes"),
        (replace(survey, packs=rows), "not registered"),
        (replace(survey, packs=uncommitted), "not registered"),
    ]
    for one, what in broken:
        (problem,) = check_nothing_dangles(one)
        assert problem.invariant == "I1"
        assert what in problem.what
        assert problem.versions == survey.needing(pack)
        assert pack_key(pack) in str(problem)


def test_other_digest_size_or_count_than_committed_breaks_i2(survey: Survey) -> None:
    changes: list[Callable[[VersionRecord], VersionRecord]] = [
        lambda version: replace(version, digest=digest_of(b"other")),
        lambda version: replace(version, size=version.size + 1),
        lambda version: replace(version, file_count=0),
        lambda version: replace(version, number=1),
    ]
    for change in changes:
        problems = list(check_content_unchanged(_change_first(survey, change)))
        assert [problem.invariant for problem in problems] == ["I2"]


def test_doomed_pack_and_unknown_need_break_i4(survey: Survey) -> None:
    pack = min(survey.all_needed())
    doomed = {**survey.packs, pack: replace(survey.packs[pack], doomed_at=datetime.now(UTC))}
    (problem,) = check_needed_packs_stay(replace(survey, packs=doomed))
    assert problem.invariant == "I4"
    assert problem.versions == survey.needing(pack)
    version = survey.versions[0]
    less = {**survey.needed, version.id: survey.needed[version.id] - {min(survey.needed[version.id])}}
    (problem,) = check_content_unchanged(replace(survey, needed=less))
    assert "does not know" in problem.what
    assert problem.versions == (version.qualified_name,)


def test_a_pack_that_is_there_is_not_called_missing_because_gc_does_not_know_that_it_is_needed(survey: Survey) -> None:
    first = survey.versions[0]
    unknown = replace(survey, needed={**survey.needed, first.id: frozenset([first.manifest.pack])})
    assert [problem.invariant for problem in check_content_unchanged(unknown)] == ["I4"]
    problems, _ = check_every_byte(unknown.only([first.qualified_name]), None)
    assert problems == []


def test_two_versions_of_one_digest_break_i8(survey: Survey) -> None:
    (problem,) = check_equal_content_is_one_version(
        _change_first(survey, lambda one: replace(one, digest=survey.versions[1].digest))
    )
    assert problem.invariant == "I8"
    assert len(problem.versions) == 2


def test_objects_nobody_knows_are_counted_and_kept(repository: Repository, survey: Survey) -> None:
    repository.objects.put(f"packs/{'ab' * 12}/00000000", [b"from elsewhere"])
    report = verify_repository(repository)
    assert report.is_sound
    assert report.unknown_objects == 1
    collect_garbage(repository, grace_s=0)
    assert repository.objects.has(f"packs/{'ab' * 12}/00000000"), "another registry may know it"


def test_a_lease_that_has_expired_is_left_to_gc(repository: Repository) -> None:
    lease = repository.registry.leases.open("tester", "a test", -1)
    repository.objects.put(f"{lease_prefix(lease.id)}00000000", [b"left over"])
    report = verify_repository(repository)
    assert (report.problems, report.unknown_objects) == ([], 0)
    assert repository.registry.leases.list_all() == [lease]


def test_version_deleted_while_verify_runs_is_no_problem(repository: Repository, survey: Survey) -> None:
    doomed = survey.versions[0]

    def delete_once(done: int, total: int) -> None:
        if repository.registry.versions.get(doomed.id).state is VersionState.COMMITTED:
            repository.registry.versions.delete(doomed.id, delete_aliases=True)
            collect_garbage(repository, grace_s=0)

    # Progress is told after everything was listed, and before the manifests are walked.
    report = verify_repository(repository, read_data=True, on_progress=delete_once)
    assert report.problems == []
    assert repository.registry.versions.get(doomed.id).state is VersionState.DELETED


def test_what_contributions_need_is_checked_like_what_versions_need(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")
    survey = take_survey(repository)
    (record,) = survey.contributions
    for check in CHECKS:
        assert list(check(survey)) == []
    (report, bytes_read) = (verify_repository(repository, read_data=True), sum(survey.objects.values()))
    assert report.is_sound
    assert (report.versions, report.packs) == (0, 2)
    assert 0 < report.bytes_read < bytes_read
    pack = min(survey.all_needed())
    (problem,) = check_nothing_dangles(replace(survey, objects={}, contributed={record.id: frozenset({pack})}))
    assert (problem.invariant, problem.versions) == ("I1", (record.qualified_name,))
    doomed = {**survey.packs, pack: replace(survey.packs[pack], doomed_at=datetime.now(UTC))}
    (problem,) = check_needed_packs_stay(replace(survey, packs=doomed))
    assert (problem.invariant, problem.versions) == ("I4", (record.qualified_name,))
    (problem,) = check_content_unchanged(replace(survey, contributions=[replace(record, size=record.size + 1)]))
    assert (problem.invariant, problem.versions) == ("I2", (record.qualified_name,))


def test_damaged_data_of_a_contribution_is_traced_to_it_and_its_path(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")
    (record,) = repository.registry.contributions.list_all()
    data = {pack_key(pack) for pack in repository.registry.contributions.needed_packs([record.id])} - {
        pack_key(record.manifest.pack)
    }
    for key in data:
        repository.objects.put(key, [bytes(repository.objects.size(key))])
    problems = verify_repository(repository, read_data=True).problems
    assert {path for problem in problems for path in problem.paths} == set(FIRST)
    assert {name for problem in problems for name in problem.versions} == {record.qualified_name}


def test_a_contribution_that_is_given_up_while_verify_runs_is_no_problem(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")

    def give_up(done: int, total: int) -> None:
        collect_garbage(repository, grace_s=0, abandoned_s=0)

    assert verify_repository(repository, read_data=True, on_progress=give_up).problems == []


class _StoreThatListsLate(MeteredStore):
    """One whose lists lack what was put last."""

    def iter_objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        newest_first = sorted(super().iter_objects(prefix), key=lambda info: info.modified_s)
        yield from sorted(newest_first[:-2], key=lambda info: info.key)


def test_what_a_list_leaves_out_is_asked_for_by_name_before_it_is_called_missing(config: Config) -> None:
    store = _StoreThatListsLate(open_objects(config.objects))
    with assemble_repository(config, open_registry(config.registry), store) as repository:
        commit(repository, BEFORE)
        version = commit(repository, {**BEFORE, "more": b"more"}).version
        before = store.counts()["size"]
        assert verify_repository(repository, read_data=True).is_sound
        assert store.counts()["size"] == before + 2
        store.delete(pack_key(version.manifest.pack))
        problems = verify_repository(repository).problems
        assert [(problem.invariant, problem.versions) for problem in problems] == [("I1", (version.qualified_name,))]


def test_what_compresses_well_takes_no_more_memory_than_anything_else(repository: Repository) -> None:
    commit(repository, {f"{number}.bin": b"%d" % number + bytes(1 << 20) for number in range(60)})
    tracemalloc.start()
    try:
        assert verify_repository(repository, read_data=True).is_sound
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


class _StoreThatChangesAfterLists(MeteredStore):
    """Calls `act` when everything was listed."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.act: Callable[[], object] = lambda: None

    def iter_objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        yield from super().iter_objects(prefix)
        if prefix == "packs/":
            self.act()


@pytest.mark.parametrize("read_data", [False, True])
def test_what_a_repack_moves_while_verify_runs_is_looked_at_where_it_lies_now(config: Config, *, read_data: bool) -> None:
    store = _StoreThatChangesAfterLists(open_objects(config.objects))
    with assemble_repository(config, open_registry(config.registry), store) as repository, open_repository(config) as other:
        files = {"a.bin": os.urandom(100_000), "b.txt": b"b\n"}
        versions = [commit(repository, files).version, commit(repository, {**files, "c.txt": b"c\n"}).version]
        old = {pack for version in versions for pack in repository.registry.versions.needed_packs(version.id)}

        def move() -> None:
            if repository.registry.versions.get(versions[0].id).manifest == versions[0].manifest:
                assert repack(other, threshold=2).moved == 2
                collect_garbage(other, grace_s=0)

        store.act = move
        assert verify_repository(repository, read_data=read_data).problems == []
        assert not any(other.objects.has(pack_key(pack)) for pack in old)
        now = repository.registry.versions.get(versions[1].id)
        repository.objects.delete(pack_key(now.manifest.pack))
        problems = verify_repository(repository, read_data=read_data).problems
        assert {name for problem in problems for name in problem.versions} >= {now.qualified_name}, "what is wrong there is said"
