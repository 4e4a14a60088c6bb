"""Whatever the files of a cache hold: nothing wrong is read, nothing fails, and what was lost is kept again."""

from __future__ import annotations

import os
import random
import shutil
import struct
from pathlib import Path

import pytest

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.disk_cache.segment import encode_record, format_name, iter_records
from artfs.model.entry import MAX_CHUNK_SIZE
from tests.unit.chunks.disk_cache.chunks import Stored, digests_of, noise_chunks, refs_of, stored_chunk

MIB = 1 << 20
LIMIT = 32 * MIB
CHUNKS = [*noise_chunks(30, 20_000), *(stored_chunk(b"line %d\n" % i * 3000) for i in range(30))]


def assert_recovers(folder: Path, chunks: Stored = CHUNKS) -> DiskCache:
    """What is read is right, and what is not there is there once it was kept again; for a second process, too."""
    cache = DiskCache(folder, LIMIT)
    found = cache.get(refs_of(chunks))
    assert all(found[ref.digest] == plain_of(ref.digest) for ref, _ in chunks if ref.digest in found)
    cache.put([(ref, stored) for ref, stored in chunks if ref.digest not in found])
    assert set(cache.get(refs_of(chunks))) == digests_of(chunks)
    assert set(DiskCache(folder, LIMIT).get(refs_of(chunks))) == digests_of(chunks)
    return cache


def plain_of(digest: bytes) -> bytes:
    from artfs.chunks.codec import decode_chunk

    return next(decode_chunk(stored, ref) for ref, stored in CHUNKS if ref.digest == digest)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    DiskCache(tmp_path / "cache", LIMIT).put(CHUNKS)
    return tmp_path / "cache"


def the_segment(folder: Path) -> Path:
    return next(folder.glob("*.chunks1"))


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bits_anywhere(seed: int, folder: Path) -> None:
    choice = random.Random(seed)
    for path in folder.iterdir():
        data = bytearray(path.read_bytes())
        for _ in range(300 if path.name.startswith("index") else 10):
            if data:
                data[choice.randrange(len(data))] ^= 1 << choice.randrange(8)
        path.write_bytes(data)
    assert_recovers(folder)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.7])
@pytest.mark.parametrize("pattern", ["*.chunks1", "index1-0", "lock"])
def test_files_that_were_cut_off(pattern: str, part: float, folder: Path) -> None:
    path = next(folder.glob(pattern))
    os.truncate(path, int(path.stat().st_size * part))
    assert_recovers(folder)


@pytest.mark.parametrize("name", ["index1-0", "lock", "0000000001-0001048576.chunks1"])
def test_garbage_in_place_of_a_file(name: str, folder: Path) -> None:
    (folder / name).write_bytes(random.Random(1).randbytes(300_000))
    assert_recovers(folder)


def test_a_damaged_chunk_is_counted_and_dropped(folder: Path) -> None:
    path = the_segment(folder)
    data = bytearray(path.read_bytes())
    data[10_000] ^= 1
    path.write_bytes(data)
    cache = DiskCache(folder, LIMIT)
    assert len(cache.get(refs_of(CHUNKS))) == len(CHUNKS) - 1
    assert len(cache.get(refs_of(CHUNKS))) == len(CHUNKS) - 1
    assert cache.facts()["damaged"] == 1


def test_names_of_segments_that_are_something_else(folder: Path) -> None:
    (folder / format_name(7, 4096, is_pinned=False)).mkdir()
    os.mkfifo(folder / format_name(8, 4096, is_pinned=False))
    (folder / format_name(9, 4096, is_pinned=True)).symlink_to("/dev/zero")
    (folder / format_name((1 << 32) - 1, 4096, is_pinned=False)).write_bytes(b"x" * 9000)
    (folder / "9999999999-9999999999.chunks1").write_bytes(b"")
    assert_recovers(folder)
    cache = DiskCache(folder, LIMIT)
    assert cache.verify().damaged == 0
    cache.clear()


def test_records_that_lie_about_their_length(tmp_path: Path) -> None:
    ref, stored = noise_chunks(1, 5_000)[0]
    path = tmp_path / format_name(1, MIB, is_pinned=False)
    records = [encode_record(ref._replace(stored_size=size, size=size)) for size in (0, 6_000, MAX_CHUNK_SIZE, 1 << 31)]
    records.append(struct.pack("<4sII32sI", b"AFc1", 5_000, 5_000, ref.digest, 1))
    for record in records:
        path.write_bytes(record + stored)
        with path.open("rb") as file:
            assert list(iter_records(file.fileno(), path.stat().st_size)) == []
    path.write_bytes(random.Random(1).randbytes(4096) + encode_record(ref) + stored)
    with path.open("rb") as file:
        assert [record.digest for record in iter_records(file.fileno(), path.stat().st_size)] == [ref.digest]


def test_verify_drops_damage_and_enters_what_the_index_has_lost(folder: Path) -> None:
    path = the_segment(folder)
    data = bytearray(path.read_bytes())
    data[10_000] ^= 1
    path.write_bytes(data)
    cache = DiskCache(folder, LIMIT)
    report = cache.verify()
    assert (report.chunks, report.damaged, report.recovered) == (len(CHUNKS) - 1, 1, 0)
    (folder / "index1-0").write_bytes(b"")
    report = DiskCache(folder, LIMIT).verify()
    assert (report.chunks, report.damaged, report.recovered) == (len(CHUNKS) - 1, 0, len(CHUNKS) - 1)
    assert len(DiskCache(folder, LIMIT).get(refs_of(CHUNKS))) == len(CHUNKS) - 1
    assert_recovers(folder)
    assert DiskCache(folder, LIMIT).verify().chunks == len(CHUNKS)


def test_a_chunk_that_another_pack_has_in_another_form_is_found(folder: Path) -> None:
    ref, _ = CHUNKS[-1]
    assert ref.stored_size < ref.size
    cache = DiskCache(folder, LIMIT)
    assert cache.get([ref._replace(stored_size=ref.size)]) == {ref.digest: plain_of(ref.digest)}
    assert cache.get([ref._replace(size=ref.size + 1)]) == {}


def test_a_folder_that_is_removed_is_made_again(folder: Path) -> None:
    cache = DiskCache(folder, LIMIT)
    assert len(cache.get(refs_of(CHUNKS))) == len(CHUNKS)
    shutil.rmtree(folder)
    for _ in range(2):
        cache.get(refs_of(CHUNKS))
        cache.put(CHUNKS)
    assert set(cache.get(refs_of(CHUNKS))) == digests_of(CHUNKS)
    assert set(DiskCache(folder, LIMIT).get(refs_of(CHUNKS))) == digests_of(CHUNKS)


@pytest.mark.parametrize("name", ["index1-0", "lock", "*.chunks1"])
def test_files_that_are_removed_while_it_is_open(name: str, folder: Path) -> None:
    cache = DiskCache(folder, LIMIT)
    assert len(cache.get(refs_of(CHUNKS))) == len(CHUNKS)
    next(folder.glob(name)).unlink()
    cache.put(CHUNKS)
    cache.put(noise_chunks(5, 5_000, 9))
    assert_recovers(folder)
    assert set(cache.get(refs_of(CHUNKS))) == digests_of(CHUNKS)
