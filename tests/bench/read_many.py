"""Reads all files of a folder by 16 threads, whole, and prints the seconds from the first open to the last byte.

usage: python -m tests.bench.read_many FOLDER

A program of its own, as what it is compared with is (`sdk_reads`).
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

READERS = 16


def main() -> None:
    paths = sorted(Path(sys.argv[1]).iterdir())
    with ThreadPoolExecutor(READERS) as executor:
        start = time.perf_counter()
        for _ in executor.map(Path.read_bytes, paths):
            continue
        print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
