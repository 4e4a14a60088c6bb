"""From an address to an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from artfs.errors import ConfigNotValid
from artfs.objectstore.bucket import BucketStore
from artfs.objectstore.local import LocalStore
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.open import open_objects


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    opened = open_objects(f"file://{tmp_path}/50% of it #1")
    assert isinstance(opened, LocalStore)
    opened.put("a", [b"x"])
    assert (tmp_path / "50% of it #1" / "a").read_bytes() == b"x"


def test_memory_is_empty_each_time() -> None:
    first, second = open_objects("memory://"), open_objects("memory://")
    assert isinstance(first, MemoryStore)
    first.put("a", [b"x"])
    assert not second.has("a")


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/", "s3://my.bucket-7/Some/prefix_1/", "gs://bucket_of_google/a", "gs://bucket"]
)
def test_a_bucket_is_not_asked_for_before_it_is_used(url: str) -> None:
    opened = open_objects(url)
    assert isinstance(opened, BucketStore)
    assert opened.is_remote


@pytest.mark.parametrize("bucket", ["", "ab", "Bucket", "-bucket", "bucket-", "a..b", "my bucket", "bucket?x", "ünï", "b" * 300])
def test_a_name_that_no_bucket_has_is_refused(bucket: str) -> None:
    for scheme in ("s3", "gs"):
        with pytest.raises(ConfigNotValid, match="names no bucket"):
            open_objects(f"{scheme}://{bucket}/prefix")


@pytest.mark.parametrize("prefix", ["/a", "a//b", "..", "a/../b", ".hidden", "a b", "a?b=c", "a#1", "a\n", "ä", "x" * 401])
def test_a_prefix_that_would_mean_something_else_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigNotValid, match="has a prefix that cannot be used"):
        open_objects(f"s3://bucket/{prefix}")


@pytest.mark.parametrize(
    "url", ["", "file://", "file://relative/path", "file:/single", "/plain/path", "ftp://host/x", "file:///a\0b"]
)
def test_any_other_address_is_refused_with_the_remedy(url: str) -> None:
    with pytest.raises(ConfigNotValid, match="file:///"):
        open_objects(url)
