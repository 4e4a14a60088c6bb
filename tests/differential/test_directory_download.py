"""A source directory and what download gives back of its version are the same, byte for byte, for directories made at random."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artfs.config import load_config
from artfs.content.walk import walk_directory
from artfs.errors import NameNotValid
from artfs.model.entry import directory_entry
from artfs.model.names import ArtifactName, normalise_path
from artfs.model.records import VersionRecord
from artfs.objectstore.memory import MemoryStore
from artfs.registry.open import open_registry
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.materialise import checkout, download, verify_directory
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository

ARTIFACT = ArtifactName("tester", "default", "data")


def _is_valid(name: str) -> bool:
    try:
        return normalise_path(name) == name and "/" not in name
    except NameNotValid:
        return False


names = st.one_of(
    st.sampled_from(["a", "b", "A", ".hidden", "#?% ", "ü", "u\u0308", "-", "a.b", "日本", "\u202e", "x" * 255]),
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=8),
).filter(_is_valid)
files = st.tuples(
    st.one_of(st.binary(max_size=300), st.integers(0, 400_000).map(lambda size: os.urandom(97) * (size // 97))),
    st.booleans(),
    st.integers(0, 2**33 * 10**9),
)
trees = st.recursive(
    st.dictionaries(names, files, max_size=4),
    lambda inner: st.dictionaries(names, st.one_of(files, inner), max_size=4),
    max_leaves=12,
)


def _make(root: Path, tree: dict[str, Any]) -> None:
    root.mkdir()
    for name, content in tree.items():
        if isinstance(content, dict):
            _make(root / name, content)
        else:
            data, executable, mtime_ns = content
            (root / name).write_bytes(data)
            (root / name).chmod(0o755 if executable else 0o644)
            os.utime(root / name, ns=(mtime_ns, mtime_ns))


def _describe(root: Path) -> dict[str, tuple[Any, ...]]:
    """All that a version keeps of a directory: paths, kinds, bytes, executable bits, times of files."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in root.rglob("*"):
        status = path.lstat()
        key = str(path.relative_to(root))
        if stat.S_ISDIR(status.st_mode):
            found[key] = ("directory",)
        else:
            found[key] = ("file", path.read_bytes(), bool(status.st_mode & 0o100), status.st_mtime_ns)
    return found


def _commit(repository: Repository, root: Path) -> VersionRecord:
    ingest = begin_ingest(repository, "tester")
    walk = walk_directory(root)
    entries = [*ingest.add_files(walk.files), *map(directory_entry, walk.empty_directories)]
    return commit_entries(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset")).version


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=trees, second=trees)
def test_download_gives_back_the_directory_that_was_committed(first: dict[str, Any], second: dict[str, Any]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        config = load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(folder / "home")})
        with assemble_repository(config, open_registry(config.registry), MemoryStore()) as repository:
            _make(folder / "first", first)
            _make(folder / "second", second)
            one = _commit(repository, folder / "first")
            download(repository, one, folder / "out")
            assert _describe(folder / "out") == _describe(folder / "first")
            assert verify_directory(repository, one, folder / "first") == []
            two = _commit(repository, folder / "second")
            checkout(repository, two, folder / "out")
            assert verify_directory(repository, two, folder / "out") == []
            without_times = {path: what[:3] for path, what in _describe(folder / "second").items()}
            assert {path: what[:3] for path, what in _describe(folder / "out").items()} == without_times


def test_permission_bits_besides_execute_are_the_umasks(repository: Repository, tmp_path: Path) -> None:
    _make(tmp_path / "source", {"private": (b"data", False, 0), "tool": (b"#!", True, 0)})
    (tmp_path / "source/private").chmod(0o600)
    version = _commit(repository, tmp_path / "source")
    download(repository, version, tmp_path / "out")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "out/private").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((tmp_path / "out/tool").stat().st_mode) == 0o777 & ~umask


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 262_144, 5_000_000])
def test_files_around_the_sizes_of_chunks_come_back(repository: Repository, tmp_path: Path, size: int) -> None:
    _make(tmp_path / "source", {"file": (os.urandom(size), False, 10**18)})
    download(repository, _commit(repository, tmp_path / "source"), tmp_path / "out")
    assert _describe(tmp_path / "out") == _describe(tmp_path / "source")


def test_file_of_very_many_chunks_comes_back(repository: Repository, tmp_path: Path) -> None:
    """Longer than what an entry names directly, so that its chunk references are in lists."""
    (tmp_path / "source").mkdir()
    with (tmp_path / "source/long.bin").open("wb") as file:
        for _ in range(90):
            file.write(os.urandom(1024 * 1024))
    version = _commit(repository, tmp_path / "source")
    entry = repository.manifest(version).get("long.bin")
    assert entry is not None
    assert entry.content.is_indirect
    download(repository, version, tmp_path / "out")
    assert verify_directory(repository, version, tmp_path / "out") == []
