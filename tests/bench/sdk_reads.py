"""What the bare SDK (boto3) needs for the reads that artfs is measured by. Endpoint and credentials come from the environment.

usage: python -m tests.bench.sdk_reads ranges BUCKET KEY      8 at once, 8 MiB each, into memory
       python -m tests.bench.sdk_reads objects BUCKET PREFIX  16 at once, one GET an object

Prints the seconds from the first request to the last byte. A program of its own, so that it has an interpreter for itself, as a
mount has.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

RANGE = 8 << 20
RANGES_AT_ONCE = 8
OBJECTS_AT_ONCE = 16


def main() -> None:
    what, bucket, name = sys.argv[1:]
    threads = RANGES_AT_ONCE if what == "ranges" else OBJECTS_AT_ONCE
    client = boto3.client("s3", config=Config(max_pool_connections=threads))
    if what == "ranges":
        size = client.head_object(Bucket=bucket, Key=name)["ContentLength"]
        spans = [f"bytes={start}-{min(start + RANGE, size) - 1}" for start in range(0, size, RANGE)]
        print(_timed(threads, lambda span: _read(client, Bucket=bucket, Key=name, Range=span), spans))
    else:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=name)
        keys = [found["Key"] for page in pages for found in page["Contents"]]
        print(_timed(threads, lambda key: _read(client, Bucket=bucket, Key=key), keys))


def _read(client: Any, **asked: str) -> int:
    return len(client.get_object(**asked)["Body"].read())


def _timed(threads: int, read: Callable[[str], int], items: Iterable[str]) -> float:
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
