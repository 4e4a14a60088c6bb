"""What the bare SDK (boto3) needs to upload a file: objects of 32 MiB, 8 at once. Endpoint and credentials as in `sdk_reads`.

usage: python -m tests.bench.sdk_writes BUCKET FILE

Prints the seconds from the first request to the last answer.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

OBJECT = 32 << 20
AT_ONCE = 8


def main() -> None:
    bucket, path = sys.argv[1], Path(sys.argv[2])
    client = boto3.client("s3", config=Config(max_pool_connections=AT_ONCE))
    client.head_bucket(Bucket=bucket)

    def put(start: int) -> None:
        with path.open("rb") as file:
            file.seek(start)
            client.put_object(Bucket=bucket, Key=f"{path.name}/{start:012d}", Body=file.read(OBJECT))

    with ThreadPoolExecutor(AT_ONCE) as executor:
        start_s = time.perf_counter()
        for _ in executor.map(put, range(0, path.stat().st_size, OBJECT)):
            continue
        print(time.perf_counter() - start_s)


if __name__ == "__main__":
    main()
