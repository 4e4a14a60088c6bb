"""Staging on a disk that is full: ENOSPC where the host says so, nothing lost, and it goes on once there is space (I5, I6)."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.config import Config
from artfs.errors import StoreFull
from artfs.model.names import ArtifactName
from artfs.repository.open import open_repository
from artfs.vfs.staging.commit import commit_staging
from artfs.vfs.staging.store import StagingStore
from tests.rights import small_disk as small_disk_at
from tests.unit.vfs.staging.doubles import get, make_directory, put, tree_of

MIB = 1 << 20
BIKES = ArtifactName("tester", "default", "bikes")
FILES: dict[str, bytes | str | None] = {"big": bytes(2 * MIB), "small": b"x", "d/e/f": b"y"}

pytestmark = pytest.mark.mounts


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with small_disk_at(tmp_path / "disk", 4) as disk:
        yield disk


def fill(disk: Path, leave: int) -> Path:
    """Take all of the disk's space but `leave` bytes."""
    space = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(bytes(space.f_bavail * space.f_frsize - leave))
    return filler


def test_copy_that_does_not_fit_leaves_the_base_file_and_no_garbage(small_disk: Path) -> None:
    directory = make_directory(small_disk / "s", FILES)
    directory.mkdir("made before")
    filler = fill(small_disk, MIB)
    before = tree_of(directory, read=False)
    with pytest.raises(OSError, match="space") as caught:
        directory.open("big", os.O_RDWR)
    assert caught.value.errno == errno.ENOSPC
    assert tree_of(directory, read=False) == before
    put(directory, "fits", bytes(900_000))  # the failed copy takes no space
    directory.unlink("fits")
    filler.unlink()
    os.close(directory.open("big", os.O_RDWR))
    assert get(directory, "big") == FILES["big"]


def test_write_that_does_not_fit_is_the_hosts_error_and_the_rest_stays(small_disk: Path) -> None:
    directory = make_directory(small_disk / "s", FILES)
    put(directory, "mine", b"mine")
    fill(small_disk, 4096)
    fd = directory.open("more", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="space"):
        os.pwrite(fd, b"x", os.pwrite(fd, bytes(MIB), 0))
    os.close(fd)
    directory.unlink("more")
    assert (get(directory, "mine"), get(directory, "small"), get(directory, "d/e/f")) == (b"mine", b"x", b"y")


def test_commit_into_a_full_store_leaves_staging_as_it_was(small_disk: Path, config: Config) -> None:
    full = dataclasses.replace(config, objects=f"file://{small_disk}/objects")
    with open_repository(full) as repository:
        repository.registry.collections.ensure(BIKES, "dataset")
        store = StagingStore(config.staging_dir, repository)
        directory = store.create(BIKES, "draft")
        put(directory, "big", os.urandom(2 * MIB))
        before = tree_of(directory)
        filler = fill(small_disk, MIB)
        with pytest.raises(StoreFull):
            commit_staging(repository, directory)
        assert tree_of(directory) == before
        assert repository.registry.versions.list(BIKES) == []
        filler.unlink()
        assert commit_staging(repository, directory).version.number == 0
        store.close()
