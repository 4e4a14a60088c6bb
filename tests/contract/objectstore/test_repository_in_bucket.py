"""A repository whose objects are in a bucket: faults in the middle of a commit, and a prefix that is another registry's.

Each is survived, or refused by one sentence with the remedy; then nothing is half there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artfs.config import load_config
from artfs.errors import AccessDenied, ConfigNotValid, StoreFull
from artfs.model.names import ArtifactName
from artfs.repository.binding import ensure_bound
from artfs.repository.commit import CommitRequest
from artfs.repository.commit_folder import commit_folder
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.repository.verify import verify_repository
from tests.unit.cloud.conftest import Place

OpenRepository = Callable[[str], Repository]


@pytest.fixture
def open_with(place: Place, tmp_path: Path) -> OpenRepository:
    """A repository of a registry of that name, all over the same prefix."""

    def open_it(registry: str) -> Repository:
        return open_repository(
            load_config(
                environ={
                    "ARTFS_HOME": str(tmp_path / registry),
                    "ARTFS_REGISTRY": f"sqlite:///{tmp_path}/{registry}.sqlite",
                    "ARTFS_OBJECTS": place.uri("store"),
                }
            )
        )

    return open_it


def commit(repository: Repository, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "cat").write_bytes(b"meow")
    commit_folder(repository, source, CommitRequest(ArtifactName("team", "demo", "pets"), type="dataset"))


#: The object that holds the manifest: that with what is in the files is stored by then.
MANIFEST = "00000001"


def put_in_commit(place: Place) -> str:
    """What is in the target of a request that stores in a commit: of S3 only the last, as the target of Google's tells no keys."""
    return MANIFEST if place.scheme == "s3" else "/upload/"


def assert_sound(repository: Repository, versions: int) -> None:
    report = verify_repository(repository, read_data=True)
    assert (report.problems, report.versions) == ([], versions)


@pytest.mark.parametrize("fault", ["SlowDown", "reset", "truncated"])
def test_a_commit_survives_what_passes(place: Place, open_with: OpenRepository, tmp_path: Path, fault: str) -> None:
    with open_with("registry") as repository:
        ensure_bound(repository)
        if fault == "SlowDown":
            place.proxy.fail(503, times=3, containing=put_in_commit(place))
        elif fault == "reset":
            place.proxy.drop(times=2, containing=put_in_commit(place))
        commit(repository, tmp_path)
        if fault == "truncated":
            place.proxy.cut(40, times=2, method="GET", containing=MANIFEST)
        assert_sound(repository, versions=1)


@pytest.mark.parametrize("status", [401, 403, 507])
def test_a_commit_whose_store_refuses_in_the_middle_is_not_there_and_can_be_made_again(
    place: Place, open_with: OpenRepository, tmp_path: Path, status: int
) -> None:
    with open_with("registry") as repository:
        ensure_bound(repository)
        place.proxy.fail(status, times=1000, containing=put_in_commit(place))
        with pytest.raises(StoreFull if status == 507 else AccessDenied, match="cannot be stored"):
            commit(repository, tmp_path)
        assert_sound(repository, versions=0)
        place.proxy.clear()
        commit(repository, tmp_path)
        assert_sound(repository, versions=1)


def test_a_prefix_that_another_registry_uses(place: Place, open_with: OpenRepository, tmp_path: Path) -> None:
    with open_with("first") as first, open_with("second") as second:
        commit(first, tmp_path)
        place.proxy.clear()
        with pytest.raises(ConfigNotValid) as caught:
            commit(second, tmp_path)
        said = str(caught.value)
        assert "\n" not in said
        assert (
            f"the object store {place.uri('store')} belongs to another registry ({first.registry.identity.get().registry_id})"
            in said
        )
        assert "set ARTFS_OBJECTS to an empty place" in said
        assert {request.method for request in place.proxy.requests()} <= {"GET", "HEAD"}
        assert list(second.registry.versions.iter_live()) == []


def test_two_registries_that_begin_with_a_prefix_at_once(place: Place, open_with: OpenRepository, tmp_path: Path) -> None:
    """Of which one gets it: the mark is stored on condition that there is none, and read back."""
    names = [f"registry-{number}" for number in range(4)]
    start = threading.Barrier(len(names))

    def begin(name: str) -> bool:
        with open_with(name) as repository:
            start.wait(30)
            try:
                ensure_bound(repository)
            except ConfigNotValid:
                return False
            return True

    with ThreadPoolExecutor(len(names)) as threads:
        began = [name for name, has in zip(names, threads.map(begin, names), strict=True) if has]
    assert len(began) == 1
    with open_with(began[0]) as owner:
        commit(owner, tmp_path)
