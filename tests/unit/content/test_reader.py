"""Reading files: any range of any file equals the source, verified, in few requests."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.content.chunk_map import ChunkMap
from artfs.content.content_builder import LONGEST_LIST, MAX_DIRECT, ContentBuilder
from artfs.content.paces import far
from artfs.content.prefetch import LARGEST_WINDOW
from artfs.content.reader import ContentReader
from artfs.errors import IntegrityError, InternalError
from artfs.model.digest import digest_of
from artfs.model.entry import ChunkRef, Content, Entry, directory_entry, pack_key
from tests.unit.content.chunk_box import ChunkBox
from tests.unit.content.made_bytes import noise
from tests.unit.content.test_file_sequences import wait_until_idle
from tests.unit.content.workbench import Workbench


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workbench, list[tuple[Entry, bytes]]]:
    """Files of several kinds: one chunk, several, and enough for chunk lists (made of small chunks)."""
    bench = Workbench(tmp_path_factory.mktemp("reader"))
    made = [noise(1000, 1), noise(700_000, 2), bytes(300_000) + noise(300_000, 3)]
    ingest = bench.ingest()
    entries = [ingest.add_bytes(data, f"f{number}") for number, data in enumerate(made)]
    builder = ContentBuilder(ingest.put_chunk)
    pieces = [noise(100 + number % 50, number) for number in range(3 * MAX_DIRECT)]
    for piece in pieces:
        builder.add([ingest.put_chunk(piece)])
    data = b"".join(pieces)
    entries.append(Entry("indirect", size=len(data), digest=digest_of(data), content=builder.finish()))
    ingest.finish()
    assert entries[-1].content.is_indirect
    return bench, list(zip(entries, [*made, data], strict=True))


@given(which=st.integers(0, 3), offset=st.integers(0, 800_000), length=st.integers(0, 900_000))
@settings(deadline=None, max_examples=200)
def test_any_range_equals_the_source(
    sources: tuple[Workbench, list[tuple[Entry, bytes]]], which: int, offset: int, length: int
) -> None:
    bench, made = sources
    entry, data = made[which]
    assert bench.reader.read(entry, offset, length) == data[offset : offset + length]


@pytest.mark.parametrize("size", [1, 1000, 65_536, 1 << 20, 1 << 30])
def test_pieces_make_up_the_file(sources: tuple[Workbench, list[tuple[Entry, bytes]]], size: int) -> None:
    bench, made = sources
    for entry, data in made:
        assert b"".join(bench.reader.iter_bytes(entry, size)) == data


def test_pieces_are_of_about_the_size_asked_for(bench: Workbench) -> None:
    (entry,), _ = bench.add([("f", bench.write_file("f", noise(6 << 20)))])
    sizes = [len(piece) for piece in bench.reader.iter_bytes(entry, 1 << 20)]
    assert max(sizes) <= 1 << 20
    assert min(sizes[:-1]) > (1 << 20) - (256 << 10)


def test_a_reader_may_stop_in_the_middle(bench: Workbench) -> None:
    (entry,), _ = bench.add([("f", bench.write_file("f", noise(6 << 20)))])
    pieces = bench.reader.iter_bytes(entry)
    assert next(pieces)
    pieces.close()  # type: ignore[attr-defined]


def test_a_file_is_copied_to_a_descriptor_and_to_a_file(
    sources: tuple[Workbench, list[tuple[Entry, bytes]]], tmp_path: Path
) -> None:
    bench, made = sources
    for number, (entry, data) in enumerate(made):
        place = tmp_path / str(number)
        descriptor = os.open(place, os.O_CREAT | os.O_WRONLY)
        try:
            bench.reader.copy_to(entry, descriptor)
        finally:
            os.close(descriptor)
        assert place.read_bytes() == data
        held = io.BytesIO()
        bench.reader.copy_to(entry, held)
        assert held.getvalue() == data


def test_reading_beyond_the_end_is_empty(bench: Workbench) -> None:
    (entry, empty), _ = bench.add([("f", bench.write_file("f", b"12345")), ("e", bench.write_file("e", b""))])
    assert bench.reader.read(entry, 5, 10) == b""
    assert bench.reader.read(entry, 3, 10) == b"45"
    assert bench.reader.read(entry, 100, 10) == b""
    assert bench.reader.read(empty, 0, 10) == b""
    assert list(bench.reader.iter_bytes(empty)) == []


def test_what_has_no_bytes_is_a_defect_to_read(bench: Workbench) -> None:
    with pytest.raises(InternalError, match="'d' is a directory"):
        bench.reader.read(directory_entry("d"), 0, 1)


def test_damage_names_the_path(bench: Workbench) -> None:
    (entry,), _ = bench.add([("d/f", bench.write_file("f", noise(400_000)))])
    ref = entry.content.refs[1]
    lying = ref._replace(digest=digest_of(b"something else"))
    damaged = Entry("d/f", size=entry.size, content=Content((entry.content.refs[0], lying, *entry.content.refs[2:])))
    with pytest.raises(IntegrityError, match="cannot read 'd/f'"):
        bench.reader.read(damaged, 0, entry.size)
    with pytest.raises(IntegrityError, match="cannot read 'd/f'"):
        b"".join(bench.reader.iter_bytes(damaged, 100_000))
    # The chunks that are whole can still be read.
    assert len(bench.reader.read(damaged, 0, entry.content.refs[0].size)) == entry.content.refs[0].size


def test_chunks_that_end_before_the_file_are_damage(bench: Workbench) -> None:
    (entry,), _ = bench.add([("f", bench.write_file("f", b"12345"))])
    longer = Entry("f", size=10, digest=entry.digest, content=entry.content)
    with pytest.raises(IntegrityError, match="end before the file does"):
        bench.reader.read(longer, 0, 10)


def test_a_chunk_list_of_other_bytes_is_damage() -> None:
    box = ChunkBox()
    builder = ContentBuilder(box.put)
    builder.add(ChunkRef(digest_of(bytes([number % 256])), 1, box.put(b"x").pack, number, 1) for number in range(MAX_DIRECT + 1))
    content = builder.finish()
    lying = Content(content.refs, tuple(span + 1 for span in content.spans), content.packs)
    assert ChunkMap(box).locate(content, 5, 3)
    with pytest.raises(IntegrityError, match="covers other bytes"):
        ChunkMap(box).locate(lying, 5, 3)


def test_lists_end_by_content_and_have_a_longest_length() -> None:
    box = ChunkBox()
    builder = ContentBuilder(box.put)
    same = ChunkRef(digest_of(b"zeros"), 1, box.put(b"x").pack, 0, 1)
    builder.add([same] * (LONGEST_LIST * 2 + 1))
    assert builder.finish().spans == (LONGEST_LIST, LONGEST_LIST, 1)


def test_decoded_lists_are_bounded_and_a_list_is_read_once() -> None:
    box = ChunkBox()
    builder = ContentBuilder(box.put)
    pack = box.put(b"x").pack
    builder.add(ChunkRef(digest_of(number.to_bytes(4, "big")), 10, pack, number * 10, 10) for number in range(20_000))
    content = builder.finish()
    chunk_map = ChunkMap(box, capacity=1 << 20)
    box.reads.clear()
    for offset in range(0, 200_000, 500):
        assert chunk_map.locate(content, offset, 1)[0].start == offset
    assert len(box.reads) == len(content.refs)


def test_what_is_in_memory_is_given_at_once_and_all_else_is_left_to_a_thread(bench: Workbench) -> None:
    paths = [(f"small/{number}", bench.write_file(f"small/{number}", noise(30_000, number))) for number in range(12)]
    entries, _ = bench.add([*paths, ("large", bench.write_file("large", noise(1 << 20, 99)))])
    reader = bench.fresh_reader()
    before = bench.objects.counts()["read_range"]
    assert [reader.read_now(entry, 0, 30_000) for entry in entries] == [None] * len(entries)
    assert bench.objects.counts()["read_range"] == before
    for entry in entries:
        data = reader.read(entry, 0, entry.size)
        assert reader.read_now(entry, 100, 20_000) == data[100:20_100]
        assert reader.read_now(entry, entry.size - 10, 4096) == data[-10:]
    assert reader.read_now(entries[-1], 0, 1 << 20) is None
    reader.close()


def test_who_reads_one_far_file_after_the_other_is_followed_also_by_what_is_given_at_once(bench: Workbench) -> None:
    files = [(f"far/{number:03}", bench.write_file(f"far/{number:03}", noise(30_000, number))) for number in range(200)]
    entries, _ = bench.add(files)
    reader = ContentReader(ChunkStore(bench.objects, SharedFetches(64 << 20)), paces=far(64 << 20))
    at_once: list[int] = []
    for number, entry in enumerate(entries):
        if reader.read_now(entry, 0, entry.size) is not None:
            at_once.append(number)
        else:
            reader.read(entry, 0, entry.size, lambda number=number: iter(entries[number + 1 :]))  # type: ignore[misc]
        assert reader._sequences is not None
        wait_until_idle(reader._sequences)
    reader.close()
    assert at_once == list(range(at_once[0], 200))
    assert at_once[0] < 10


def test_adjacent_chunks_are_one_request(bench: Workbench) -> None:
    (entry,), _ = bench.add([("f", bench.write_file("f", noise(2 << 20)))])
    reader = bench.fresh_reader()
    before = bench.objects.counts()["read_range"]
    assert len(reader.read(entry, 100_000, 1_500_000)) == 1_500_000
    assert bench.objects.counts()["read_range"] - before == 1
    reader.close()


def test_sequential_reading_is_read_ahead_in_large_requests(bench: Workbench) -> None:
    data = noise(24 << 20)
    (entry,), _ = bench.add([("f", bench.write_file("f", data))])
    reader = ContentReader(ChunkStore(bench.objects, SharedFetches(128 << 20)))
    before = bench.objects.counts()
    step = 128 << 10
    for offset in range(0, len(data), step):
        assert reader.read(entry, offset, step) == data[offset : offset + step]
    reader.close()
    after = bench.objects.counts()
    # Reading by itself would be a request for each step of 128 KiB; and every byte is fetched once.
    assert after["read_range"] - before["read_range"] < len(data) // step // 2
    assert after["bytes_read"] - before["bytes_read"] <= len(data) * 1.05


def test_random_reading_is_not_read_ahead(bench: Workbench) -> None:
    data = noise(24 << 20)
    (entry,), _ = bench.add([("f", bench.write_file("f", data))])
    reader = bench.fresh_reader()
    before = bench.objects.counts()["bytes_read"]
    offsets = [(number * 7 % 23) << 20 for number in range(23)]
    for offset in offsets:
        assert reader.read(entry, offset, 4096) == data[offset : offset + 4096]
    reader.close()
    # At most two chunks each.
    assert bench.objects.counts()["bytes_read"] - before <= len(offsets) * 2 * (256 << 10)
    assert LARGEST_WINDOW > 0


def test_a_pack_that_is_gone_is_damage_with_the_path(bench: Workbench) -> None:
    (entry,), _ = bench.add([("d/f", bench.write_file("f", noise(1000)))])
    bench.objects.delete(pack_key(entry.content.refs[0].pack))
    with pytest.raises(IntegrityError, match="cannot read 'd/f'"):
        bench.reader.read(entry, 0, 10)
