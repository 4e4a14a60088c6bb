from __future__ import annotations

from pathlib import Path

from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.repository import Repository
from artfs.vfs.attributes import MOVABLE_S, NEVER_S
from artfs.vfs.views import Views

ARTIFACT = ArtifactName("tester", "default", "data")


def commit(repository: Repository, source: Path, text: str) -> VersionRecord:
    source.write_text(text)
    ingest = begin_ingest(repository, "tester")
    return commit_entries(repository, ingest, [ingest.add_file(source, "file")], CommitRequest(ARTIFACT, "dataset")).version


def test_a_name_keeps_its_view_while_it_means_the_same_version(repository: Repository, tmp_path: Path) -> None:
    views, first, second = Views(repository), commit(repository, tmp_path / "f", "1"), commit(repository, tmp_path / "f", "2")
    view = views.show(first, "best", "data/best")
    assert views.show(first, "best", "data/best") is view
    assert views.show(first, "v0", "data/v0") is not view
    moved = views.show(second, "best", "data/best")
    assert moved.serial != view.serial
    views.retire(ARTIFACT, "best")
    assert views.show(second, "best", "data/best") is not moved


def test_a_view_is_renewed_before_its_inode_may_die(repository: Repository, tmp_path: Path) -> None:
    views, version = Views(repository), commit(repository, tmp_path / "f", "1")
    held = views.show(version, "best", "data/best")
    assert not views.renew(ARTIFACT, "best", "new")
    assert views.show(version, "best", "data/best") is not held
    assert views.renew(ARTIFACT, "best", "new")
    assert not views.renew(ARTIFACT, "best", "new")


def test_each_of_two_requests_for_one_name_has_its_second_try_however_long_it_waits(repository: Repository) -> None:
    now = 100.0
    views = Views(repository, clock=lambda: now)
    assert not views.renew(ARTIFACT, "best", "staging/one")
    assert not views.renew(ARTIFACT, "best", "staging/other")
    assert views.renew(ARTIFACT, "best", "staging/other")
    now += 600
    assert views.renew(ARTIFACT, "best", "staging/one")


def test_the_kernel_keeps_no_name_that_is_about_to_move(repository: Repository) -> None:
    views = Views(repository)
    assert views.name_timeout_s(ARTIFACT) == MOVABLE_S
    views.unsettle(ARTIFACT)
    assert views.name_timeout_s(ARTIFACT) == NEVER_S
