"""Reads all files below a folder, whole, and prints the seconds from the first open to the last byte.

usage: python -m tests.bench.read_many FOLDER [READERS] [random]

By 16 threads, in the order of directories unless told otherwise. A program of its own, as what it is compared with is.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

READERS = 16


def main() -> None:
    folder, *rest = sys.argv[1:]
    readers = int(rest[0]) if rest else READERS
    paths = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    if "random" in rest:
        Random(len(paths)).shuffle(paths)
    with ThreadPoolExecutor(readers) as executor:
        start = time.perf_counter()
        for _ in executor.map(Path.read_bytes, paths):
            continue
        print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
