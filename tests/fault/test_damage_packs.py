"""Damaged bytes in packs: never served, and reported with the versions and paths that need them (I3)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.chunks.pack import read_chunk_table
from artfs.config import Config
from artfs.errors import IntegrityError
from artfs.model.chunk_list import encode_chunk_list
from artfs.model.digest import digest_of
from artfs.model.entry import Content, Entry, Kind, PackId, pack_key
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.materialise import download
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.repository.verify import Problem, verify_repository
from tests.fault.versions import ARTIFACT, commit, read_all, resolve

FILES = {
    "text/compressible.txt": b"the same line again and again\n" * 2000,
    "binary/large.bin": os.urandom(300_000),
    "binary/small.bin": os.urandom(500),
}


@pytest.fixture
def stored(config: Config) -> Config:
    with open_repository(config) as repository:
        commit(repository, FILES)
        # Most of v1 is what v0 has: damage to that must be told of both.
        commit(repository, {**FILES, "more.bin": os.urandom(700)})
    return config


def _pack_file(config: Config, pack: PackId) -> Path:
    (path,) = config.data_dir.glob(f"objects/**/{pack_key(pack)}")
    return path


def _flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0x40]))


def _data_packs(repository: Repository) -> dict[PackId, set[str]]:
    """The packs that hold data of files, with the paths in them."""
    packs: dict[PackId, set[str]] = {}
    for entry in repository.manifest(resolve(repository, "v1")).iter_entries():
        for ref in entry.content.refs:
            packs.setdefault(ref.pack, set()).add(entry.path)
    return packs


def _verify(config: Config, *, read_data: bool = True) -> list[Problem]:
    with open_repository(config) as repository:
        return verify_repository(repository, read_data=read_data).problems


def _flips_in_chunks(config: Config) -> Iterator[tuple[Path, int, set[str]]]:
    """For each chunk of file data: first, middle and last byte, with the paths that need the chunk."""
    with open_repository(config) as repository:
        entries = list(repository.manifest(resolve(repository, "v1")).iter_entries())
        places = {ref: entry.path for entry in entries if entry.kind is Kind.FILE for ref in entry.content.refs}
    for ref, path in places.items():
        for offset in {0, ref.stored_size // 2, ref.stored_size - 1}:
            yield _pack_file(config, ref.pack), ref.offset + offset, {path}


def test_flipped_bit_in_any_chunk_is_never_served_and_is_reported_with_its_path(stored: Config, tmp_path: Path) -> None:
    cases = list(_flips_in_chunks(stored))
    assert len(cases) > 10
    for number, (file, offset, paths) in enumerate(cases):
        _flip(file, offset)
        with open_repository(stored) as repository:
            manifest = repository.manifest(resolve(repository, "v1"))
            for entry in manifest.iter_entries():
                if entry.path in paths:
                    with pytest.raises(IntegrityError):
                        repository.reader.read(entry, 0, entry.size)
                elif entry.kind is Kind.FILE:
                    assert len(repository.reader.read(entry, 0, entry.size)) == entry.size
            with pytest.raises(IntegrityError, match=min(paths)):
                download(repository, resolve(repository, "v1"), tmp_path / f"out-{number}")
            problems = verify_repository(repository, read_data=True).problems
        assert [problem.invariant for problem in problems] == ["I3"], problems
        assert set(problems[0].paths) == paths
        shared = {"tester/default/bike-dataset:v0", "tester/default/bike-dataset:v1"}
        assert set(problems[0].versions) == ({"tester/default/bike-dataset:v1"} if paths == {"more.bin"} else shared)
        _flip(file, offset)
    assert not _verify(stored)
    assert not list(tmp_path.glob("out-*/**/.artfs*"))


def test_flipped_bit_in_a_footer_or_trailer_is_reported_and_data_stays_readable(stored: Config) -> None:
    with open_repository(stored) as repository:
        tables = {pack: read_chunk_table(repository.objects, pack) for pack in _data_packs(repository)}
        expected = read_all(repository, resolve(repository, "v1"))
    for pack, table in tables.items():
        file = _pack_file(stored, pack)
        start = max(ref.offset + ref.stored_size for ref in table)
        for offset in range(start, file.stat().st_size):
            _flip(file, offset)
            with open_repository(stored) as repository, pytest.raises(IntegrityError):
                read_chunk_table(repository.objects, pack)
            if offset % 16 == 0:
                problems = _verify(stored)
                assert [problem.invariant for problem in problems] == ["I3"]
                assert "chunk table" in problems[0].what
                assert problems[0].versions
                with open_repository(stored) as repository:
                    assert read_all(repository, resolve(repository, "v1")) == expected
            _flip(file, offset)


@pytest.mark.parametrize("what", ["a chunk", "a chunk list"])
def test_damage_in_a_file_with_chunk_lists_is_reported_with_its_path(config: Config, what: str) -> None:
    pieces = [os.urandom(300) for _ in range(20)]
    with open_repository(config) as repository:
        ingest = begin_ingest(repository, "tester")
        refs = [ingest.add_bytes(piece, "piece").content.refs[0] for piece in pieces]
        lists = [ingest.put_chunk(encode_chunk_list(refs[:10])), ingest.put_chunk(encode_chunk_list(refs[10:]))]
        content = Content(tuple(lists), (3000, 3000), tuple(sorted({ref.pack for ref in refs})))
        entry = Entry("long.bin", size=6000, digest=digest_of(b"".join(pieces)), content=content)
        other = ingest.add_bytes(b"other", "other.txt")
        commit_entries(repository, ingest, [entry, other], CommitRequest(ARTIFACT, "dataset"))
        assert read_all(repository, resolve(repository, "v0"))["long.bin"] == b"".join(pieces)
    assert not _verify(config)
    damaged = refs[13] if what == "a chunk" else lists[1]
    _flip(_pack_file(config, damaged.pack), damaged.offset + 20)
    (problem,) = _verify(config)
    assert (problem.invariant, problem.paths) == ("I3", ("long.bin",))
    with open_repository(config) as repository:
        found = repository.manifest(resolve(repository, "v0")).get("long.bin")
        assert found is not None
        assert repository.reader.read(found, 0, 3000) == b"".join(pieces[:10])
        with pytest.raises(IntegrityError):
            repository.reader.read(found, 3000, 3000)


def test_damaged_manifest_page_is_reported_with_its_versions(stored: Config) -> None:
    with open_repository(stored) as repository:
        version = resolve(repository, "v1")
        (page,) = repository.manifest(version).pages
    _flip(_pack_file(stored, page.chunk.pack), page.chunk.offset + page.chunk.stored_size // 2)
    with open_repository(stored) as repository:
        with pytest.raises(IntegrityError):
            repository.manifest(resolve(repository, "v1")).list()
        assert read_all(repository, resolve(repository, "v0")) == FILES
    for read_data in (False, True):
        problems = [problem for problem in _verify(stored, read_data=read_data) if problem.versions]
        assert {problem.invariant for problem in problems} == {"I3"}
        assert {name for problem in problems for name in problem.versions} == {"tester/default/bike-dataset:v1"}
        assert "binary" in problems[0].paths[0]
        assert not [problem.what for problem in problems if "run `artfs verify" in problem.what]


def test_damaged_manifest_root_is_reported_with_its_version(stored: Config) -> None:
    with open_repository(stored) as repository:
        root = resolve(repository, "v1").manifest
    _flip(_pack_file(stored, root.pack), root.offset)
    with open_repository(stored) as repository, pytest.raises(IntegrityError):
        repository.manifest(resolve(repository, "v1"))
    problems = _verify(stored, read_data=False)
    assert [problem.versions for problem in problems] == [("tester/default/bike-dataset:v1",)]
    assert "run `artfs verify" not in problems[0].what


@pytest.mark.parametrize("keep", [0, 1, 1000])
def test_pack_that_is_cut_off_is_reported(stored: Config, keep: int) -> None:
    with open_repository(stored) as repository:
        pack = repository.manifest(resolve(repository, "v0")).get("binary/large.bin").content.refs[-1].pack  # type: ignore[union-attr]
    os.truncate(_pack_file(stored, pack), keep)
    assert "I1" in {problem.invariant for problem in _verify(stored, read_data=False)}
    problems = _verify(stored)
    assert "binary/large.bin" in {path for problem in problems for path in problem.paths}
    with open_repository(stored) as repository, pytest.raises(IntegrityError):
        read_all(repository, resolve(repository, "v0"))


def test_missing_pack_is_reported_with_versions_and_paths(stored: Config) -> None:
    with open_repository(stored) as repository:
        pack = repository.manifest(resolve(repository, "v0")).get("binary/large.bin").content.refs[0].pack  # type: ignore[union-attr]
    _pack_file(stored, pack).unlink()
    problems = _verify(stored)
    assert problems[0].invariant == "I1"
    assert "missing" in problems[0].what
    assert set(problems[0].versions) == {"tester/default/bike-dataset:v0", "tester/default/bike-dataset:v1"}
    assert {path for problem in problems for path in problem.paths} == set(FILES)
