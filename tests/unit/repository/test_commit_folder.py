"""commit_folder: what a folder becomes, and that one in which nothing changed is not taken in again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from artfs.content.memo import RACY_MARGIN_NS
from artfs.content.walk import walk_directory
from artfs.content.walk_memo import WalkMemo
from artfs.errors import AlreadyExists, UserError
from artfs.model.digest import digest_of
from artfs.model.records import CommitOutcome
from artfs.repository.commit import CommitRequest
from artfs.repository.commit_folder import commit_folder
from artfs.repository.repository import Repository
from tests.conftest import MakeDataset
from tests.fault.versions import ARTIFACT, commit, read_all

REQUEST = CommitRequest(ARTIFACT, "dataset")
VERSION = digest_of(b"a version")
LATER_NS = 3_600_000_000_000


def _remember(repository: Repository, root: Path) -> CommitOutcome:
    """Commit the folder, and remember it as if its files had been made an hour ago."""
    outcome = commit_folder(repository, root, REQUEST)
    _memo(repository, root).record(walk_directory(root), outcome.version.digest)
    return outcome


def _memo(repository: Repository, root: Path, *, later_ns: int = LATER_NS) -> WalkMemo:
    now_ns = max(found.stamp.ctime_ns for found in walk_directory(root).found) + later_ns
    return WalkMemo(repository.config.memo_dir, ARTIFACT.entity, root, now_ns=lambda: now_ns)


def _is_taken_in(repository: Repository, root: Path, request: CommitRequest = REQUEST) -> bool:
    """Commit the folder; true if its files were looked at one by one."""
    asked: list[int] = []

    def watch(files: int) -> Watching:
        asked.append(files)
        return Watching()

    commit_folder(repository, root, request, watch)
    return bool(asked)


class Watching:
    """Watches nothing."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_a_folder_becomes_a_version_with_its_empty_directories(repository: Repository, dataset: MakeDataset) -> None:
    root = dataset()
    (root / "empty" / "inner").mkdir(parents=True)
    outcome = commit_folder(repository, root, REQUEST)
    files = read_all(repository, outcome.version)
    assert files == {path: Path(root, path).read_bytes() for path in files}
    assert repository.manifest(outcome.version).is_directory("empty/inner")


def test_an_unchanged_folder_is_not_taken_in_again(repository: Repository, dataset: MakeDataset) -> None:
    root = dataset()
    first = _remember(repository, root)
    reads = repository.objects.counts()
    again = commit_folder(repository, root, replace(REQUEST, aliases=["best"], description="the same", metadata={"a": 1}))
    assert not again.created
    assert again.version.id == first.version.id
    assert (set(again.version.aliases), again.version.description) == ({"latest", "best"}, "the same")
    assert again.version.metadata == {"a": 1}
    assert repository.objects.counts() == reads
    assert not repository.registry.leases.list_active()
    assert not _is_taken_in(repository, root)


def _add(root: Path) -> None:
    (root / "more").write_bytes(b"")


def _remove(root: Path) -> None:
    (root / "readme.txt").unlink()


def _rename(root: Path) -> None:
    (root / "readme.txt").rename(root / "other.txt")


def _rewrite(root: Path) -> None:
    status = (root / "readme.txt").stat()
    (root / "readme.txt").write_bytes(b"x" * status.st_size)
    os.utime(root / "readme.txt", ns=(status.st_atime_ns, status.st_mtime_ns))


def _make_executable(root: Path) -> None:
    (root / "readme.txt").chmod(0o755)


def _make_directory(root: Path) -> None:
    (root / "empty").mkdir()


@pytest.mark.parametrize("change", [_add, _remove, _rename, _rewrite, _make_executable, _make_directory])
def test_any_change_is_seen(repository: Repository, dataset: MakeDataset, change: Callable[[Path], None]) -> None:
    root = dataset()
    _remember(repository, root)
    change(root)
    assert commit_folder(repository, root, REQUEST).version.number == 1


def test_files_made_just_now_are_not_trusted(repository: Repository, dataset: MakeDataset) -> None:
    root = dataset()
    walk = walk_directory(root)
    _memo(repository, root, later_ns=RACY_MARGIN_NS - 1).record(walk, VERSION)
    assert _memo(repository, root).find(walk) is None
    _memo(repository, root, later_ns=RACY_MARGIN_NS).record(walk, VERSION)
    assert _memo(repository, root).find(walk) == VERSION


def test_stamps_of_a_fuse_file_system_prove_nothing(repository: Repository, dataset: MakeDataset, tmp_path: Path) -> None:
    root = dataset()
    walk = walk_directory(root)
    device = walk.found[0].stamp.device
    mount_info = tmp_path / "mountinfo"
    mount_info.write_text(f"36 35 {os.major(device)}:{os.minor(device)} / / rw - fuse.sshfs sshfs rw\n")
    memo = WalkMemo(repository.config.memo_dir, ARTIFACT.entity, root, now_ns=lambda: 1 << 62, mount_info=mount_info)
    memo.record(walk, VERSION)
    assert _memo(repository, root).find(walk) is None
    _memo(repository, root).record(walk, VERSION)
    assert memo.find(walk) is None


def test_a_deleted_version_is_made_again(repository: Repository, dataset: MakeDataset) -> None:
    root = dataset()
    first = _remember(repository, root)
    commit(repository, {"other.txt": b"other"})
    repository.registry.versions.delete(first.version.id, delete_aliases=True)
    again = commit_folder(repository, root, REQUEST)
    assert again.created
    assert read_all(repository, again.version) == read_all(repository, first.version)


def test_another_artifact_gets_a_version_of_its_own(repository: Repository, dataset: MakeDataset) -> None:
    root = dataset()
    _remember(repository, root)
    outcome = commit_folder(repository, root, CommitRequest(replace(ARTIFACT, name="twin"), "model"))
    assert outcome.created
    assert outcome.version.artifact.name == "twin"


def test_the_registry_refuses_what_it_refuses_of_any_commit(repository: Repository, dataset: MakeDataset) -> None:
    root = dataset()
    _remember(repository, root)
    with pytest.raises(AlreadyExists, match="next version"):
        commit_folder(repository, root, replace(REQUEST, expected_number=7))
    with pytest.raises(UserError, match="type"):
        commit_folder(repository, root, replace(REQUEST, type="model"))


@pytest.mark.parametrize("damage", [b"", b"artfs walk 1\n", b"x" * 109])
def test_a_damaged_memo_is_none(repository: Repository, dataset: MakeDataset, damage: bytes) -> None:
    root = dataset()
    _remember(repository, root)
    (remembered,) = repository.config.memo_dir.glob("*.walk")
    remembered.write_bytes(damage)
    assert _is_taken_in(repository, root)


def test_without_a_memo_folder_nothing_is_remembered(dataset: MakeDataset) -> None:
    root = dataset()
    memo = WalkMemo(None, ARTIFACT.entity, root, now_ns=lambda: 1 << 62)
    memo.record(walk_directory(root), VERSION)
    assert memo.find(walk_directory(root)) is None
