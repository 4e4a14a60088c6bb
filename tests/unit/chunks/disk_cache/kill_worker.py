"""Run as a program: kills processes in the middle of what they do with a cache, one before, in and after each write.

    python -m tests.unit.chunks.disk_cache.kill_worker FOLDER put|pin|unpin

Leaves one cache for each point in FOLDER, and prints how many there are. Forks from a process with one thread.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from typing_extensions import Buffer

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.disk_cache.disk import Disk
from tests.unit.chunks.disk_cache.chunks import Stored, noise_chunks, refs_of

LIMIT = 8 << 20
BEFORE, ADDED = noise_chunks(40, 50_000, 1), noise_chunks(40, 50_000, 2)


class DeadlyDisk(Disk):
    """Kills its process at the point `at`: each write is a point before it, one after half of it, and one after it."""

    def __init__(self, at: int) -> None:
        self._left = at

    def _reach(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

    def create(self, path: str) -> int:
        self._reach()
        return super().create(path)

    def write(self, descriptor: int, buffers: Sequence[Buffer], offset: int) -> int:
        self._reach()
        data = b"".join(bytes(buffer) for buffer in buffers)
        written = super().write(descriptor, [data[: len(data) // 2]], offset)
        self._reach()
        return written + super().write(descriptor, [data[written:]], offset + written)

    def truncate(self, descriptor: int, size: int) -> None:
        self._reach()
        super().truncate(descriptor, size)

    def unlink(self, path: str) -> None:
        self._reach()
        super().unlink(path)

    def rename(self, path: str, to: str) -> None:
        self._reach()
        super().rename(path, to)


def put(cache: DiskCache) -> None:
    for start in range(0, len(ADDED), 10):
        cache.put(ADDED[start : start + 10])


def pin(cache: DiskCache) -> None:
    with cache.pinning("second", refs_of(BEFORE[:5] + ADDED[:20])) as pinning:
        found = pinning.get(refs_of(BEFORE[:5] + ADDED[:20]))
        pinning.put([(ref, stored) for ref, stored in BEFORE[:5] + ADDED[:20] if ref.digest not in found])


def unpin(cache: DiskCache) -> None:
    cache.unpin("first")


WHAT: dict[str, Callable[[DiskCache], None]] = {"put": put, "pin": pin, "unpin": unpin}


def pin_all(cache: DiskCache, label: str, chunks: Stored) -> None:
    with cache.pinning(label, refs_of(chunks)) as pinning:
        found = pinning.get(refs_of(chunks))
        pinning.put([(ref, stored) for ref, stored in chunks if ref.digest not in found])


def main() -> None:
    folder, what = Path(sys.argv[1]), sys.argv[2]
    template = folder / "template"
    cache = DiskCache(template, LIMIT)
    cache.put(BEFORE)
    pin_all(cache, "first", BEFORE[:10])
    if what == "unpin":
        pin_all(cache, "other", BEFORE[5:15])
    if what == "put":  # so that something must be evicted
        for seed in range(10):
            cache.put(noise_chunks(10, 50_000, 10 + seed))
    for at in range(1000):
        copy = folder / f"{at:03}"
        shutil.copytree(template, copy)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                WHAT[what](DiskCache(copy, LIMIT, disk=DeadlyDisk(at)))
                code = 0
            finally:
                os._exit(code)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            print(at)
            sys.exit(status)
    raise SystemExit(f"{what} has more points than expected")


if __name__ == "__main__":
    main()
