"""Warming: all that reading needs is in the cache, fetched once and in few requests from a bucket of a real server."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from artfs.config import Config
from artfs.errors import ConfigNotValid, EntryNotFound, StoreFull, UserError
from artfs.model.records import VersionRecord
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.repository.warm import Warmed, warm_version
from tests.fault.versions import ARTIFACT, commit, read_all
from tests.servers.seaweedfs import SeaweedFs

MIB = 1 << 20
_RANDOM = random.Random(1)
NOISE = _RANDOM.randbytes(20 * MIB)
FILES = {"a/large": NOISE, "a/same": NOISE, "b/small": b"small", "c/empty": b""}


@pytest.fixture
def far(config: Config, s3_server: SeaweedFs, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Settings with objects in a bucket of their own."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    return replace(config, objects=f"s3://{s3_server.create_bucket()}/store", cache_limit=128 * MIB)


@pytest.fixture
def version(far: Config) -> VersionRecord:
    with open_repository(far) as repository:
        return commit(repository, FILES).version


def asked(repository: Repository) -> Mapping[str, int]:
    """What the object store was asked for, without what was not."""
    return {verb: count for verb, count in repository.objects.counts().items() if count}


def in_new_process(config: Config, what: Callable[[Repository], Warmed]) -> tuple[Warmed, Mapping[str, int]]:
    """With nothing in memory."""
    with open_repository(config) as repository:
        return what(repository), asked(repository)


def test_what_is_warm_is_read_without_the_store(far: Config, version: VersionRecord) -> None:
    progress: list[tuple[int, int]] = []
    warmed, first = in_new_process(far, lambda it: warm_version(it, version, on_progress=lambda *at: progress.append(at)))
    assert (warmed.files, warmed.references, warmed.size_before) == (4, 0, 0)
    assert 20 * MIB < warmed.size < 20 * MIB + 100_000  # what two files share is one
    assert progress[-1] == (warmed.size, warmed.size)
    assert first["read_range"] <= 2 + 6  # the root, its page, and large pieces of the rest, whose first packs are short
    assert first["bytes_read"] == warmed.size
    with open_repository(far) as repository:
        assert read_all(repository, version) == FILES
        assert asked(repository) == {}


def test_a_second_time_nothing_is_fetched(far: Config, version: VersionRecord) -> None:
    warmed, _ = in_new_process(far, lambda it: warm_version(it, version))
    again, requests = in_new_process(far, lambda it: warm_version(it, version))
    assert again == replace(warmed, size_before=warmed.size)
    assert requests == {}


def test_a_path_is_warmed_with_the_manifest_alone(far: Config, version: VersionRecord) -> None:
    warmed, _ = in_new_process(far, lambda it: warm_version(it, version, "b"))
    assert warmed.files == 1
    assert warmed.size < 100_000
    with open_repository(far) as repository:
        (small,) = (entry for entry in repository.manifest(version).iter_entries("b/small"))
        assert repository.reader.read(small, 0, small.size) == b"small"
        assert asked(repository) == {}


def test_what_was_read_before_is_not_fetched(far: Config, version: VersionRecord) -> None:
    in_new_process(far, lambda it: warm_version(it, version, "b"))
    warmed, requests = in_new_process(far, lambda it: warm_version(it, version))
    assert 0 < warmed.size_before < 100_000
    assert requests["bytes_read"] == warmed.size - warmed.size_before


def test_a_cache_that_was_emptied_below_a_process_is_filled_again(far: Config, version: VersionRecord) -> None:
    with open_repository(far) as repository:
        warmed = warm_version(repository, version)
        assert repository.cache is not None
        repository.cache.clear()
        assert warm_version(repository, version) == warmed
    _, requests = in_new_process(far, lambda it: warm_version(it, version))
    assert requests == {}


def test_a_long_file_is_warmed_with_its_chunk_lists(far: Config) -> None:
    data = NOISE * 4  # many chunks, few bytes to fetch
    with open_repository(far) as repository:
        version = commit(repository, {"long": data}).version
        (entry,) = repository.manifest(version).iter_entries()
        assert entry.content.is_indirect  # and its page is in the cache now
    warmed, requests = in_new_process(far, lambda it: warm_version(it, version))
    assert warmed.files == 1
    assert warmed.size_before < 1000
    assert requests["read_range"] < 12
    with open_repository(far) as repository:
        assert read_all(repository, version) == {"long": data}
        assert asked(repository) == {}


def test_references_are_counted_and_not_fetched(far: Config) -> None:
    with open_repository(far) as repository:
        ingest = begin_ingest(repository, ARTIFACT.entity)
        entries = [ingest.add_bytes(b"here", "file"), *repository.references.find("s3://elsewhere/key", name="r", checksum=False)]
        version = commit_entries(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset")).version
        warmed = warm_version(repository, version)
    assert (warmed.files, warmed.references) == (1, 1)


def test_what_is_larger_than_the_cache_is_refused_before_content_is_fetched(far: Config, version: VersionRecord) -> None:
    with open_repository(replace(far, cache_limit=16 * MIB)) as repository:
        with pytest.raises(StoreFull, match=r"bike-dataset:v0 has 2\d{7} bytes, and the cache may have 16777216"):
            warm_version(repository, version)
        assert asked(repository)["bytes_read"] < 100_000


def test_what_does_not_stay_is_not_called_warm(far: Config, version: VersionRecord) -> None:
    with (
        open_repository(replace(far, cache_limit=20 * MIB + 256_000)) as repository,
        pytest.raises(StoreFull, match=r"\d+ of the 2\d{7} bytes of .*bike-dataset:v0 did not stay in the cache"),
    ):
        warm_version(repository, version)


def test_there_must_be_a_cache_a_path_and_a_store_that_is_far(
    far: Config, version: VersionRecord, config: Config, repository: Repository
) -> None:
    with open_repository(far) as remote, pytest.raises(EntryNotFound, match="has no 'nowhere'"):
        warm_version(remote, version, "nowhere")
    with open_repository(replace(far, cache_limit=0)) as remote, pytest.raises(ConfigNotValid, match="cache_limit is 0"):
        warm_version(remote, version)
    with pytest.raises(UserError, match=r"need not be warmed: its object store .* is on this machine"):
        warm_version(repository, version)
