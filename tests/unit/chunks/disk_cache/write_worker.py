"""Run as a program: keeps chunks in a cache and reads them again, three times the limit in all.

python -m tests.unit.chunks.disk_cache.write_worker FOLDER LIMIT SEED
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.model.digest import digest_of
from tests.unit.chunks.disk_cache.chunks import noise_chunks, refs_of


def main() -> None:
    folder, limit, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    cache = DiskCache(folder, limit)
    choice = random.Random(seed)
    for number in range(3 * limit // 4 // 400_000):
        # Half of what one keeps the others keep as well.
        chunks = noise_chunks(8, 50_000, choice.randrange(50) if number % 2 else seed * 100_000 + number)
        cache.put(chunks)
        for digest, plain in cache.get(refs_of(chunks)).items():
            assert digest_of(plain) == digest
    assert cache.facts()["damaged"] == 0


if __name__ == "__main__":
    main()
