"""What a bare SDK needs for the reads that artfs is measured by. Endpoint and credentials come from the environment.

usage: python -m tests.bench.sdk_reads ranges BUCKET KEY [THREADS]      8 at once, 8 MiB each, into memory
       python -m tests.bench.sdk_reads objects BUCKET PREFIX [THREADS]  16 at once, one GET an object, in order
       python -m tests.bench.sdk_reads obstore BUCKET KEY [THREADS]     as `ranges`, by obstore; the others are boto3

Prints the seconds from the first request to the last byte. A program of its own, so that it has an interpreter for itself, as a
mount has.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

RANGE = 8 << 20
RANGES_AT_ONCE = 8
OBJECTS_AT_ONCE = 16


def main() -> None:
    what, bucket, name, *rest = sys.argv[1:]
    threads = int(rest[0]) if rest else OBJECTS_AT_ONCE if what == "objects" else RANGES_AT_ONCE
    client = boto3.client("s3", config=Config(max_pool_connections=threads))
    if what == "objects":
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=name)
        keys = sorted(found["Key"] for page in pages for found in page["Contents"])
        print(timed(threads, lambda key: _read(client, Bucket=bucket, Key=key), keys))
        return
    size = client.head_object(Bucket=bucket, Key=name)["ContentLength"]
    starts = range(0, size, RANGE)
    if what == "obstore":
        print(timed(threads, obstore_range(bucket, name, size, os.environ), starts))
    else:
        print(timed(threads, lambda start: _read(client, Bucket=bucket, Key=name, Range=_span(start, size)), starts))


def _span(start: int, size: int) -> str:
    return f"bytes={start}-{min(start + RANGE, size) - 1}"


def _read(client: Any, **asked: str) -> int:
    return len(client.get_object(**asked)["Body"].read())


def obstore_range(bucket: str, key: str, size: int, environ: Mapping[str, str]) -> Callable[[int], int]:
    """What reads the range that begins at an offset."""
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        bucket,
        endpoint=environ["AWS_ENDPOINT_URL"],
        region=environ["AWS_DEFAULT_REGION"],
        access_key_id=environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        client_options={"allow_http": True},
    )
    obstore.head(store, key)
    return lambda start: len(obstore.get_range(store, key, start=start, end=min(start + RANGE, size)))


def timed(threads: int, read: Callable[[Any], int], items: Iterable[Any]) -> float:
    """The seconds that `read` takes for all items, by so many threads."""
    started = threading.Barrier(threads + 1)
    with ThreadPoolExecutor(threads) as executor:
        for _ in range(threads):  # the threads are there before the clock runs
            executor.submit(started.wait)
        started.wait()
        start = time.perf_counter()
        for _ in executor.map(read, items):
            continue
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
