"""A store without space: the commit fails with StoreFull, nothing is half-visible, and it works once there is space."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.config import Config, load_config
from artfs.errors import StoreFull
from artfs.model.names import VersionName
from artfs.repository.materialise import download, verify_directory
from artfs.repository.open import open_repository
from tests.fault.versions import ARTIFACT, BEFORE, assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, read_all, resolve
from tests.rights import small_disk as small_disk_at

MIB = 1024 * 1024

pytestmark = pytest.mark.mounts


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    with small_disk_at(tmp_path / "disk", 8) as disk:
        yield disk


def _fill(path: Path, leave: int) -> None:
    """Take all of the disk's space but `leave` bytes."""
    stat = os.statvfs(path.parent)
    path.write_bytes(bytes(max(stat.f_bavail * stat.f_frsize - leave, 0)))


@pytest.fixture
def on_small_disk(small_disk: Path, config: Config) -> Config:
    """The objects on the small disk, the registry elsewhere."""
    objects = f"file://{small_disk}/objects"
    environ = {"ARTFS_HOME": str(config.data_dir.parent), "ARTFS_ENTITY": "tester", "ARTFS_PROJECT": "default"}
    return load_config({"objects": objects}, environ)


def test_full_object_store_fails_the_commit_and_leaves_nothing(on_small_disk: Config, small_disk: Path) -> None:
    large = {"large.bin": os.urandom(3 * MIB)}
    with open_repository(on_small_disk) as repository:
        commit(repository, BEFORE)
        before = {info.key for info in repository.objects.iter_objects()}
        _fill(small_disk / "filler", leave=MIB)
        with pytest.raises(StoreFull, match="space"):
            commit(repository, large)
        assert {info.key for info in repository.objects.iter_objects()} == before
        assert [version.number for version in repository.registry.versions.list(ARTIFACT)] == [0]
        assert read_all(repository, resolve(repository, "latest")) == BEFORE
        assert_sound(repository)
        (small_disk / "filler").unlink()
        assert commit(repository, large).version.number == 1
        assert read_all(repository, resolve(repository, "latest")) == large
        assert_gc_leaves_exactly_what_is_needed(repository)


def test_full_object_store_at_any_amount_of_space_is_all_or_nothing(on_small_disk: Config, small_disk: Path) -> None:
    with open_repository(on_small_disk) as repository:
        commit(repository, BEFORE)
        expected = BEFORE
        for leave in range(0, 200_000, 12_000):
            files = {"data.bin": os.urandom(120_000)}
            _fill(small_disk / "filler", leave=leave)
            try:
                commit(repository, files)
                expected = files
            except StoreFull:
                pass
            (small_disk / "filler").unlink()
            assert read_all(repository, resolve(repository, "latest")) == expected
        assert expected is not BEFORE
        assert_sound(repository)
        assert_gc_leaves_exactly_what_is_needed(repository)


def test_full_registry_disk_fails_the_commit_and_leaves_nothing(small_disk: Path, config: Config) -> None:
    environ = {"ARTFS_HOME": str(config.data_dir.parent), "ARTFS_ENTITY": "tester", "ARTFS_PROJECT": "default"}
    on_disk = load_config({"registry": f"sqlite:///{small_disk}/registry.sqlite"}, environ)
    with open_repository(on_disk) as repository:
        commit(repository, BEFORE)
        _fill(small_disk / "filler", leave=0)
        failed = False
        for number in range(2000):  # SQLite has room in its files for some commits
            try:
                commit(repository, {"number.txt": b"%d" % number})
            except StoreFull:
                failed = True
                break
        assert failed
        versions = repository.registry.versions.list(ARTIFACT)
        assert [version.number for version in versions] == list(range(len(versions) - 1, -1, -1))
        assert "latest" in versions[0].aliases
        (small_disk / "filler").unlink()
        assert commit(repository, {"after": b"after"}).version.number == len(versions)
        assert_sound(repository)


def test_download_onto_a_full_disk_says_so_and_goes_on_later(small_disk: Path, config: Config) -> None:
    files = {f"{number}.bin": os.urandom(200_000) for number in range(20)}
    with open_repository(config) as repository:
        version = commit(repository, files).version
        _fill(small_disk / "filler", leave=MIB)
        with pytest.raises(StoreFull, match="space"):
            download(repository, version, small_disk / "out")
        assert not list((small_disk / "out").glob(".artfs*"))
        for file in (small_disk / "out").iterdir():
            assert file.read_bytes() == files[file.name]
        (small_disk / "filler").unlink()
        download(repository, version, small_disk / "out")
        assert verify_directory(repository, version, small_disk / "out") == []
        assert repository.registry.versions.resolve(VersionName(ARTIFACT, "v0")) == version
