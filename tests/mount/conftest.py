"""Mounts for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.mounting import Mounted, Place

#: 30 small files, one of several chunks, an executable, an empty one, names that need care.
FILES: dict[str, bytes] = {
    "readme.txt": b"a small data set\n",
    "labels.csv": b"name,label\n" + b"".join(b"%d,%d\n" % (i, i % 7) for i in range(500)),
    "big.bin": b"".join(i.to_bytes(4, "little") * 16 for i in range(50_000)),
    "images/cat.bin": bytes(range(256)) * 40,
    "images/same-as-cat.bin": bytes(range(256)) * 40,
    "images/empty.bin": b"",
    "deep/er/and/deeper/still.txt": b"here\n",
    "names/#?% ü\u0308 日本.txt": b"a name\n",
    "run.sh": b"#!/bin/sh\necho run\n",
    **{f"many/file-{i:02}.txt": b"number %d\n" % i for i in range(24)},
}


def make_source(root: Path) -> Path:
    """A folder to make versions of."""
    for path, data in FILES.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        os.utime(target, ns=(1_600_000_000_000_000_000, 1_600_000_000_123_456_789))
    (root / "run.sh").chmod(0o755)
    (root / "nothing-yet").mkdir()
    return root


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty home and a mount point."""
    return Place(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "source")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The mount of a project with the artifact `data` (v0, v1, aliases latest and best); for tests that leave it as it is."""
    place = Place(tmp_path_factory.mktemp("shared"))
    source = make_source(place.root / "source")
    place.commit(source, aliases=["best"], symlinks={"link": "images/cat.bin", "images/dangling": "nowhere"})
    (source / "readme.txt").write_bytes(b"a small data set, second edition\n")
    place.commit(source, symlinks={"link": "images/cat.bin", "images/dangling": "nowhere"})
    with place.mounted() as mountpoint:
        yield mountpoint


@pytest.fixture(scope="module")
def writable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """The mount of a project for tests that write, each in an artifact of its own."""
    place = Place(tmp_path_factory.mktemp("writable"))
    with place.mounted() as mountpoint:
        yield Mounted(place, mountpoint)
