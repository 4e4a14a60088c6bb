"""The data that is measured: made once a run, the same for every tool."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

MIB = 1 << 20


def make_large_file(path: Path, size: int) -> Path:
    """A file that neither compresses nor repeats, as a trained model or a packed dataset."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = Random(size)
    with path.open("wb") as file:
        for start in range(0, size, 16 * MIB):
            file.write(random.randbytes(min(16 * MIB, size - start)))
    return path


def make_small_files(folder: Path, count: int, size: int, *, per_folder: int = 500) -> Path:
    """`count` files of `size` bytes that do not compress, as a set of images."""
    random = Random(count)
    for number in range(count):
        parent = folder / f"{number // per_folder:04d}"
        if number % per_folder == 0:
            parent.mkdir(parents=True)
        (parent / f"image-{number:07d}.png").write_bytes(random.randbytes(size))
    return folder


def read_all(root: Path, *, piece: int = MIB) -> int:
    """Read every file below `root` from beginning to end; returns the bytes read."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            total += read_file(Path(folder, name), piece=piece)
    return total


def read_file(path: Path, *, piece: int = MIB) -> int:
    buffer = bytearray(piece)
    total = 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            total += count
    return total


def stat_all(root: Path) -> int:
    """List every directory below `root` and stat every file, as `ls -lR` does; returns how many files."""
    count = 0
    for folder, _, names in os.walk(root):
        for name in names:
            os.stat(os.path.join(folder, name))  # noqa: PTH118, PTH116 - as few instructions of ours as can be
            count += 1
    return count
