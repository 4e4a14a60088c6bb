"""A source directory, its version in the mount, and what download makes of it: the same names, bytes, executable bits and times."""

from __future__ import annotations

import os
from pathlib import Path

from artfs.repository.materialise import download
from artfs.repository.open import open_repository
from tests.mount.mounting import Place


def observed(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for directory, directories, names in os.walk(root):
        for name in directories:
            found[str(Path(directory, name).relative_to(root))] = "directory"
        for name in names:
            path = Path(directory, name)
            status = path.stat()
            found[str(path.relative_to(root))] = (path.read_bytes(), bool(status.st_mode & 0o100), status.st_mtime_ns)
    return found


def test_source_mount_and_download_are_the_same(place: Place, source: Path) -> None:
    (source / "large.bin").write_bytes(os.urandom(1 << 20) * 9)
    (source / "x" / ("y" * 200)).mkdir(parents=True)
    (source / "x" / ("y" * 200) / "z").write_bytes(b"deep")
    version = place.commit(source)
    with open_repository(place.config) as repository:
        download(repository, version, place.root / "downloaded")
    expected = observed(source)
    assert observed(place.root / "downloaded") == expected
    with place.mounted() as mountpoint:
        assert observed(mountpoint / "data/v0") == expected
        assert observed(mountpoint / "data/latest") == expected
        assert observed(mountpoint / "data/v0") == expected
