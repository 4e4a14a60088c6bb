"""diff_versions."""

from __future__ import annotations

from artfs.model.records import VersionRecord
from artfs.repository.diff import Diff, diff_versions
from artfs.repository.repository import Repository
from tests.fault.versions import commit


def _paths(diff: Diff) -> tuple[list[str], list[str], list[str]]:
    changed = [after.path for _, after in diff.changed]
    return [entry.path for entry in diff.added], [entry.path for entry in diff.removed], changed


def _versions(repository: Repository, *contents: dict[str, bytes]) -> list[VersionRecord]:
    return [commit(repository, files).version for files in contents]


def test_added_removed_and_changed_paths_are_told(repository: Repository) -> None:
    one, two = _versions(repository, {"a": b"1", "b/c": b"2", "d": b"3"}, {"a": b"1", "b/c": b"two", "e/f": b"4"})
    assert _paths(diff_versions(repository, one, two)) == (["e/f"], ["d"], ["b/c"])
    assert _paths(diff_versions(repository, two, one)) == (["d"], ["e/f"], ["b/c"])
    assert diff_versions(repository, one, one).is_empty


def test_file_that_becomes_a_directory_is_changed_and_what_is_in_it_added(repository: Repository) -> None:
    one, two = _versions(repository, {"a": b"1"}, {"a/b": b"1"})
    assert _paths(diff_versions(repository, one, two)) == (["a/b"], [], ["a"])


def test_empty_directories_are_told(repository: Repository) -> None:
    one = commit(repository, {"a": b"1"}).version
    two = commit(repository, {"a": b"1"}, empty_directories=["b/c"]).version
    assert _paths(diff_versions(repository, one, two)) == (["b/c"], [], [])


def test_only_pages_that_differ_are_read(repository: Repository) -> None:
    files = {f"{number:05}": b"%d" % number for number in range(5000)}
    one = commit(repository, files).version
    two = commit(repository, {**files, "02500": b"changed"}).version
    assert len(repository.manifest(one).pages) > 5
    fresh = repository.objects.counts()["bytes_read"]
    assert _paths(diff_versions(repository, one, two)) == ([], [], ["02500"])
    whole = sum(page.chunk.stored_size for page in repository.manifest(two).pages)
    assert repository.objects.counts()["bytes_read"] - fresh < whole
