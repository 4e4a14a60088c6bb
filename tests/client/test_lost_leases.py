"""A machine that slept before an artifact was logged: its lease is lost, and what was added is taken in again."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import artfs
from artfs.client.session import SESSION
from artfs.config import load_config
from artfs.errors import LeaseLost
from artfs.repository.gc import collect_garbage
from artfs.repository.repository import Repository
from tests.client.making import read_tree
from tests.fault.versions import assert_gc_leaves_exactly_what_is_needed, assert_sound, expire_leases


@pytest.fixture
def repository() -> Repository:
    """What `artfs` uses in this test."""
    return SESSION.repository(load_config())


def make(*, big: int = 100_000) -> artfs.Artifact:
    """An artifact of a file, a folder, and what was written into it."""
    Path("model.bin").write_bytes(os.urandom(big))
    Path("images").mkdir(exist_ok=True)
    for number in range(3):
        Path(f"images/{number}.png").write_bytes(os.urandom(1000))
    artifact = artfs.Artifact("bike-dataset", type="dataset")
    artifact.add_file("model.bin")
    artifact.add_dir("images", name="images")
    with artifact.new_file("note.txt") as file:
        file.write("hello")
    return artifact


def expected() -> dict[str, bytes]:
    images = {f"images/{number}.png": Path(f"images/{number}.png").read_bytes() for number in range(3)}
    return {"model.bin": Path("model.bin").read_bytes(), **images, "note.txt": b"hello"}


def test_an_artifact_is_logged_although_its_lease_was_lost(repository: Repository) -> None:
    artifact = make()
    with artfs.init() as run:
        expire_leases(repository)
        run.log_artifact(artifact).wait()
    assert read_tree(artifact.download()) == expected()
    assert artifact.version == "v0"
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert_sound(repository)


def test_files_that_are_still_there_are_read_again_after_a_gc(repository: Repository) -> None:
    Path("big.bin").write_bytes(os.urandom(40_000_000))
    artifact = artfs.Artifact("bike-dataset", type="dataset")
    artifact.add_file("big.bin")
    with artfs.init() as run:
        expire_leases(repository)
        collect_garbage(repository, grace_s=0)
        run.log_artifact(artifact).wait()
    assert read_tree(artifact.download()) == {"big.bin": Path("big.bin").read_bytes()}
    assert_sound(repository)


def test_files_that_have_changed_come_from_what_was_stored(repository: Repository) -> None:
    artifact = make()
    before = expected()
    Path("model.bin").write_bytes(b"another one")
    Path("images/0.png").unlink()
    with artfs.init() as run:
        expire_leases(repository)
        run.use_artifact(artifact).wait()
    assert read_tree(artifact.download()) == before
    assert_sound(repository)


def test_files_are_added_although_the_lease_was_lost_before(repository: Repository) -> None:
    """More than is kept in memory, so that it is noticed while they are added, by all threads that are at it."""
    artifact = make()
    expire_leases(repository)
    big = {f"big-{number}.bin": os.urandom(40_000_000) for number in range(2)}
    for name, data in big.items():
        Path(name).write_bytes(data)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(artifact.add_file, big))
    with artfs.init() as run:
        run.log_artifact(artifact).wait()
    assert read_tree(artifact.download()) == {**expected(), **big}
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert_sound(repository)


def test_content_that_is_nowhere_any_more_is_one_clear_error_and_no_version(repository: Repository) -> None:
    artifact = artfs.Artifact("bike-dataset", type="dataset")
    with artifact.new_file("big.bin", "wb") as file:
        file.write(os.urandom(80_000_000))
    with artfs.init() as run:
        expire_leases(repository)
        collect_garbage(repository, grace_s=0)
        with pytest.raises(LeaseLost, match=r"'big.bin' was added so long ago .* build the artifact again"):
            run.log_artifact(artifact).wait()
    with pytest.raises(LookupError, match="there is no artifact"):
        artfs.Api().artifact_versions("dataset", "bike-dataset")
    collect_garbage(repository, grace_s=0)
    assert list(repository.objects.iter_objects("packs/")) == []


def test_contributions_and_their_finish_survive_lost_leases(repository: Repository) -> None:
    with artfs.init(group="night") as run:
        artifact = make()
        expire_leases(repository)
        run.upsert_artifact(artifact)
        last = artfs.Artifact("bike-dataset", type="dataset")
        with last.new_file("last.txt") as file:
            file.write("last")
        expire_leases(repository)
        run.finish_artifact(last)
    assert read_tree(last.download()) == {**expected(), "last.txt": b"last"}
    assert_gc_leaves_exactly_what_is_needed(repository)
    assert_sound(repository)


def test_an_artifact_for_another_entity_is_logged_although_its_lease_was_lost(repository: Repository) -> None:
    artifact = make()
    with artfs.init(entity="somebody-else") as run:
        expire_leases(repository)
        run.log_artifact(artifact).wait()
    assert read_tree(artifact.download()) == expected()
    assert_sound(repository)
