"""From an address to an object store: the one place that knows which class serves which scheme."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from artfs.cloud.buckets import BucketClient
from artfs.cloud.retry import STORE_READ_POLICY, WRITE_POLICY, RetryPolicy
from artfs.errors import ConfigNotValid
from artfs.objectstore.bucket import BucketStore
from artfs.objectstore.local import LocalStore
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.protocol import ObjectStore

#: What both vendors take; Amazon takes no underscore today, but has buckets of that name.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
#: A key of ours is 512 characters at most, one of S3 1 024.
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199})*")
_MAX_PREFIX = 400
#: An upload over a slow link is given its time here, too.
_IMPATIENT = replace(WRITE_POLICY, last_start_s=STORE_READ_POLICY.last_start_s)


def open_objects(url: str, *, is_patient: bool = True) -> ObjectStore:
    """The store at `url`: `file:///folder`, `s3://bucket[/prefix]`, `gs://bucket[/prefix]`, or `memory://` (a new, empty one).

    Raises ConfigNotValid for what is no address of a store. Nothing is asked of a bucket before it is used; endpoint and
    credentials come from where the vendor's own programs find them. The path in a `file://` address is taken as it is. A store
    that goes away is waited for much longer by what is written, as a commit would be lost; unless it `is_patient`.
    """
    scheme, separator, place = url.partition("://")
    if separator and scheme == "file":
        if not place.startswith("/") or "\0" in place:
            raise ConfigNotValid(f"the object store {url!r} has no absolute path: write for example file:///var/lib/artfs/objects")
        return LocalStore(Path(place))
    if separator and scheme == "memory":
        return MemoryStore()
    if separator and scheme in {"s3", "gs"}:
        bucket, prefix = _split(url, place)
        return BucketStore(_open_client(scheme, WRITE_POLICY if is_patient else _IMPATIENT), bucket, prefix)
    raise ConfigNotValid(
        f"the object store {url!r} is of no kind that artfs knows: use file:///FOLDER, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX "
        "(or memory:// for a trial)"
    )


def _split(url: str, place: str) -> tuple[str, str]:
    bucket, _, prefix = place.partition("/")
    prefix = prefix.removesuffix("/")
    if _BUCKET.fullmatch(bucket) is None or ".." in bucket:
        raise ConfigNotValid(
            f"the object store {url!r} names no bucket: it has 3 to 63 of a-z 0-9 - . and begins and ends with a letter or digit"
        )
    if prefix and (_PREFIX.fullmatch(prefix) is None or len(prefix) > _MAX_PREFIX):
        raise ConfigNotValid(
            f"the object store {url!r} has a prefix that cannot be used: write names of A-Z a-z 0-9 . _ - that do not start with a "
            f"dot, separated by /, {_MAX_PREFIX} characters at most"
        )
    return bucket, prefix


def _open_client(scheme: str, write_policy: RetryPolicy) -> BucketClient:
    if scheme == "s3":
        from artfs.cloud.s3 import S3Client  # noqa: PLC0415 - it takes 15 ms, without boto3

        return S3Client(STORE_READ_POLICY, write_policy)
    from artfs.cloud.gcs import GcsClient  # noqa: PLC0415

    return GcsClient(STORE_READ_POLICY, write_policy)
