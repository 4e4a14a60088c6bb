"""Reads pieces of 4 KiB of a file at random places, by 16 threads, without telling the kernel that it does.

usage: python -m tests.bench.read_randomly FILE COUNT

Which places, `places` says to those who want to know what had to be fetched.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from random import Random

PIECE = 4 << 10
READERS = 16


def places(size: int, count: int) -> list[int]:
    """Offsets, the same ones each time."""
    random = Random(size)
    return [random.randrange(size // PIECE) * PIECE for _ in range(count)]


def main() -> None:
    descriptor = os.open(sys.argv[1], os.O_RDONLY)
    with ThreadPoolExecutor(READERS) as executor:
        offsets = places(os.fstat(descriptor).st_size, int(sys.argv[2]))
        for data in executor.map(lambda offset: os.pread(descriptor, PIECE, offset), offsets):
            if len(data) != PIECE:
                raise SystemExit("a piece of the file is missing")
    os.close(descriptor)


if __name__ == "__main__":
    main()
