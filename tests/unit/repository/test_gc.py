"""What gc deletes, what it keeps, and what it says about both (I4)."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from artfs.model.names import ArtifactName
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.gc import collect_garbage
from artfs.repository.gc_report import (
    KEPT_FOR_COMMITS,
    KEPT_GRACE,
    KEPT_IN_FLIGHT,
    KEPT_NEEDED,
    KEPT_UNFINISHED,
    Fate,
    Judgement,
)
from artfs.repository.repository import Repository
from tests.fault.contributing import FIRST, OWN, SECOND, TOGETHER, make_runs, upsert
from tests.fault.versions import ARTIFACT, BEFORE, assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, read_all, resolve


def _delete(repository: Repository, selector: str) -> None:
    repository.registry.versions.delete(resolve(repository, selector).id, delete_aliases=True)


def test_gc_keeps_what_versions_need(repository: Repository) -> None:
    commit(repository, BEFORE)
    report = collect_garbage(repository, grace_s=0)
    assert (report.doomed.packs, report.deleted.packs, report.leftovers.packs) == (0, 0, 0)
    assert set(report.kept) == {KEPT_NEEDED}
    assert report.kept[KEPT_NEEDED].size == sum(info.size for info in repository.objects.iter_objects("packs/"))
    assert read_all(repository, resolve(repository, "v0")) == BEFORE


def test_gc_dooms_first_and_deletes_after_the_grace_period(repository: Repository) -> None:
    commit(repository, BEFORE)
    commit(repository, {"other": b"other"})
    _delete(repository, "v0")
    first = collect_garbage(repository, grace_s=3600)
    assert first.doomed.packs == 2
    assert first.deleted.packs == 0
    assert first.kept[KEPT_GRACE].packs == 2
    assert len(list(repository.objects.iter_objects("packs/"))) == 4
    second = collect_garbage(repository, grace_s=0)
    assert second.deleted.packs == 2
    assert second.deleted.size > 0
    assert_gc_leaves_exactly_what_is_needed(repository)


def test_content_logged_again_after_it_was_doomed_is_kept_or_stored_again(repository: Repository) -> None:
    commit(repository, BEFORE)
    _delete(repository, "v0")
    collect_garbage(repository, grace_s=3600)
    again = commit(repository, BEFORE).version
    assert again.number == 1
    collect_garbage(repository, grace_s=0)
    assert read_all(repository, again) == BEFORE
    assert_sound(repository)


def test_dry_run_says_what_would_happen_and_does_nothing(repository: Repository) -> None:
    commit(repository, BEFORE)
    _delete(repository, "v0")
    ingest = begin_ingest(repository, "tester")
    ingest.add_bytes(os.urandom(1000), "left")
    ingest.finish()
    repository.leases.end(ingest.lease)
    objects = [info.key for info in repository.objects.iter_objects("packs/")]
    told = collect_garbage(repository, grace_s=0, dry_run=True)
    assert [info.key for info in repository.objects.iter_objects("packs/")] == objects
    done = collect_garbage(repository, grace_s=0)
    assert (told.deleted, told.leftovers) == (done.deleted, done.leftovers)
    assert done.deleted.packs == 2
    assert done.leftovers.packs == 1
    assert not list(repository.objects.iter_objects("packs/"))


def test_packs_that_a_commit_in_flight_has_found_are_not_deleted(repository: Repository) -> None:
    data = os.urandom(10_000)
    commit(repository, {"a": data})
    ingest = begin_ingest(repository, "tester")
    entry = ingest.add_bytes(data, "again")
    assert ingest.stored_bytes == 0
    _delete(repository, "v0")
    collect_garbage(repository, grace_s=0)
    version = commit_entries(repository, ingest, [entry], CommitRequest(ARTIFACT, "dataset")).version
    collect_garbage(repository, grace_s=0)
    assert read_all(repository, version) == {"again": data}
    assert_sound(repository)
    assert_gc_leaves_exactly_what_is_needed(repository)


def test_packs_of_a_commit_in_flight_are_not_swept(repository: Repository) -> None:
    ingest = begin_ingest(repository, "tester")
    entry = ingest.add_bytes(os.urandom(1000), "a")
    ingest.finish()
    report = collect_garbage(repository, grace_s=0)
    assert report.leftovers.packs == 0
    version = commit_entries(repository, ingest, [entry], CommitRequest(ARTIFACT, "dataset")).version
    assert len(read_all(repository, version)["a"]) == 1000


def test_leftovers_are_kept_for_the_grace_period(repository: Repository) -> None:
    ingest = begin_ingest(repository, "tester")
    ingest.add_bytes(os.urandom(1000), "a")
    ingest.finish()
    repository.leases.end(ingest.lease)
    assert collect_garbage(repository, grace_s=3600).leftovers.packs == 0
    assert len(list(repository.objects.iter_objects("packs/"))) == 1
    assert collect_garbage(repository, grace_s=0).leftovers.packs == 1
    assert not list(repository.objects.iter_objects("packs/"))


def test_gc_that_died_between_claim_and_delete_is_finished_by_the_next(repository: Repository) -> None:
    commit(repository, BEFORE)
    _delete(repository, "v0")
    repository.registry.packs.doom_unneeded()
    assert repository.registry.packs.claim_doomed(datetime.now(UTC), 1)
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert not list(repository.objects.iter_objects("packs/"))


def test_contributions_are_kept_until_they_are_abandoned_and_then_given_up_as_one(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")
    upsert(repository, SECOND, "second")
    upsert(repository, OWN, "first", together="another")
    kept = collect_garbage(repository, grace_s=0)
    assert (kept.abandoned, set(kept.kept), kept.kept[KEPT_UNFINISHED].packs) == ([], {KEPT_UNFINISHED}, 6)
    told = collect_garbage(repository, grace_s=3600, abandoned_s=0, dry_run=True)
    assert len(repository.registry.contributions.list_all()) == 3
    done = collect_garbage(repository, grace_s=3600, abandoned_s=0)
    assert told.abandoned == done.abandoned
    assert [(found.distributed_id, found.contributions) for found in done.abandoned] == [(TOGETHER, 2), ("another", 1)]
    assert (told.doomed, told.kept) == (done.doomed, done.kept)
    assert done.doomed.packs == 6
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert not list(repository.objects.iter_objects("packs/"))


def test_content_of_contributions_is_found_by_others_and_outlives_them(repository: Repository) -> None:
    make_runs(repository)
    upsert(repository, FIRST, "first")
    before = {info.key for info in repository.objects.iter_objects("packs/")}
    version = commit(repository, FIRST).version
    assert len({info.key for info in repository.objects.iter_objects("packs/")} - before) <= 1, "only a manifest is new"
    collect_garbage(repository, grace_s=0, abandoned_s=0)
    collect_garbage(repository, grace_s=0, abandoned_s=0)
    assert read_all(repository, version) == FIRST
    assert_sound(repository)


def test_gc_of_an_empty_repository_does_nothing(repository: Repository) -> None:
    report = collect_garbage(repository, grace_s=0)
    assert (report.leases, report.kept) == (0, {})


def _fates(repository: Repository, grace_s: float) -> dict[str, list[Judgement]]:
    found: dict[str, list[Judgement]] = {}
    for judged in collect_garbage(repository, grace_s=grace_s, dry_run=True, explain=True).packs:
        found.setdefault(judged.why, []).append(judged)
    return found


def test_dry_run_explains_each_pack(repository: Repository) -> None:
    commit(repository, BEFORE)
    for number in range(5):
        commit(repository, {**BEFORE, f"more{number}": b"more"})
    commit(repository, {"other": b"other"}, artifact=ArtifactName("tester", "default", "other"))
    other = resolve(repository, "latest", ArtifactName("tester", "default", "other"))
    repository.registry.versions.delete(other.id, delete_aliases=True)
    make_runs(repository)
    upsert(repository, FIRST, "first")
    ingest = begin_ingest(repository, "tester")
    ingest.add_bytes(os.urandom(1000), "under way")
    ingest.finish()
    fates = _fates(repository, 3600)
    needed = max((judged.use.versions for judged in fates[KEPT_NEEDED]), key=lambda needing: needing.count)
    assert needed.count == 6
    assert needed.first == tuple(f"tester/default/bike-dataset:v{number}" for number in range(3))
    assert all(judged.use.contributions.count == 1 for judged in fates[KEPT_UNFINISHED])
    (under_way,) = fates[KEPT_IN_FLIGHT]
    assert under_way.holder is not None
    assert (under_way.holder.id, under_way.until, under_way.fate) == (ingest.lease, None, Fate.KEPT)
    assert {judged.fate for judged in fates[KEPT_GRACE]} == {Fate.DOOMED}
    until = fates[KEPT_GRACE][0].until
    assert until is not None
    assert until > repository.registry.now() + timedelta(minutes=55)
    ingest.abort()
    assert {judged.fate for judged in _fates(repository, 0)["needed by no version"]} == {Fate.DELETED}
    assert collect_garbage(repository, dry_run=True).packs == [], "only when it was asked for"


def test_dry_run_names_the_commit_that_keeps_what_nothing_needs(repository: Repository) -> None:
    commit(repository, BEFORE)
    ingest = begin_ingest(repository, "tester")
    _delete(repository, "v0")
    collect_garbage(repository, grace_s=0)
    for judged in _fates(repository, 0)[KEPT_FOR_COMMITS]:
        assert judged.holder is not None
        assert judged.holder.id == ingest.lease
    ingest.abort()
    collect_garbage(repository, grace_s=0)
    assert _fates(repository, 0) == {}


def test_dry_run_tells_what_a_dead_commit_has_left(repository: Repository) -> None:
    ingest = begin_ingest(repository, "tester")
    ingest.add_bytes(os.urandom(1000), "left")
    ingest.finish()
    repository.leases.end(ingest.lease)
    (kept,) = _fates(repository, 3600)[KEPT_IN_FLIGHT]
    assert kept.until is not None
    (left,) = (judged for found in _fates(repository, 0).values() for judged in found)
    assert left.fate is Fate.LEFT
