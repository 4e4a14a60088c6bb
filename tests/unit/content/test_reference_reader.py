"""Ranges of references: the right bytes, in few requests, fetched once, and none of what was not recorded (I9)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artfs.chunks.shared_fetches import SharedFetches
from artfs.content.reference_blocks import BLOCK
from artfs.content.reference_reader import ReferenceReader
from artfs.errors import AccessDenied, ArtfsError, InternalError, ReferenceChanged, ReferenceUnavailable
from artfs.model.entry import Entry, directory_entry
from tests.unit.content.made_bytes import noise
from tests.unit.content.memory_home import Endless, Opener, Remote

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@given(
    size=st.sampled_from([1, 1000, BLOCK, BLOCK + 1, 300 * KIB, MIB + 1, 3 * MIB]),
    ranges=st.lists(st.tuples(st.integers(0, 3 * MIB), st.integers(0, MIB)), max_size=6),
    gives_ranges=st.booleans(),
    memory=st.sampled_from([0, 300 * KIB, 64 * MIB]),
    piece=st.sampled_from([256 * KIB, 8 * MIB]),
)
@settings(deadline=None, max_examples=150)
def test_any_range_equals_the_source(
    tmp_path_factory: pytest.TempPathFactory,
    *,
    size: int,
    ranges: list[tuple[int, int]],
    gives_ranges: bool,
    memory: int,
    piece: int,
) -> None:
    remote = Remote()
    content = Endless(size)
    entry = remote.put("f", content, gives_ranges=gives_ranges, piece=piece)
    reader = ReferenceReader(remote.references, SharedFetches(memory), tmp_path_factory.getbasetemp() / "spools")
    for offset, length in ranges:
        assert reader.read(entry, offset, length) == content.read(offset, offset + length)
        assert reader.read_now(entry, offset, length) in {None, content.read(offset, offset + length)}
    reader.close()


def test_a_small_file_is_one_request_however_it_is_read(remote: Remote, opened: Opener) -> None:
    data = noise(900 * KIB)
    entry = remote.put("f", data)
    reader = opened()
    for offset in (500 * KIB, 0, 128 * KIB, 800 * KIB):
        assert reader.read(entry, offset, 128 * KIB) == data[offset : offset + 128 * KIB]
    assert remote.home.fetches == [("mem://box/f", 0, 900 * KIB)]


def test_what_is_in_memory_is_read_without_waiting_and_what_is_not_is_not_asked_for(remote: Remote, opened: Opener) -> None:
    content = Endless(100 * MIB)
    entry = remote.put("f", content)
    reader = opened()
    reader.read(entry, 10 * MIB, BLOCK)
    asked = remote.home.fetches.copy()
    assert reader.read_now(entry, 10 * MIB + 5, 1000) == content.read(10 * MIB + 5, 10 * MIB + 1005)
    assert reader.read_now(entry, 10 * MIB + 5, BLOCK) is None
    assert reader.read_now(entry, 50 * MIB, 1) is None
    assert reader.read_now(entry, 100 * MIB, 1) == b""
    assert remote.home.fetches == asked


def test_a_part_of_what_came_in_one_buffer_is_a_view_of_it(remote: Remote, opened: Opener) -> None:
    content = Endless(100 * MIB)
    entry = remote.put("f", content, piece=8 * MIB)
    reader = opened()
    whole = reader.read(entry, 0, 2 * MIB)
    part = reader.read_now(entry, BLOCK + 7, MIB)
    assert isinstance(whole, memoryview)
    assert isinstance(part, memoryview)
    assert part.obj is whole.obj
    assert part == content.read(BLOCK + 7, BLOCK + 7 + MIB)


def test_a_file_that_has_grown_under_its_etag_is_never_put_together_from_pieces_that_do_not_meet(
    remote: Remote, opened: Opener
) -> None:
    shorter = remote.put("f", Endless(2 * MIB + 10 * KIB))
    reader = opened()
    reader.read(shorter, 2 * MIB, 10 * KIB)
    longer = remote.put("f", Endless(4 * MIB))
    assert shorter.digest == longer.digest, "as a size identifies nothing"
    assert reader.read_now(longer, 2 * MIB, 20 * KIB) is None
    with pytest.raises(ReferenceChanged):
        reader.read(longer, 2 * MIB, 20 * KIB)


def test_adjacent_missing_blocks_are_one_request(remote: Remote, opened: Opener) -> None:
    entry = remote.put("f", Endless(100 * MIB))
    reader = opened()
    reader.read(entry, 50 * MIB + 10, 1)
    remote.home.fetches.clear()
    reader.read(entry, 50 * MIB - 3 * BLOCK + 5, 7 * BLOCK)
    reader.close()
    before = [(offset, length) for _, offset, length in remote.home.fetches if offset < 50 * MIB + 5 * BLOCK]
    assert before == [(50 * MIB - 3 * BLOCK, 3 * BLOCK), (50 * MIB + BLOCK, 4 * BLOCK)]


def test_one_mebibyte_of_a_huge_file_transfers_about_one_mebibyte(remote: Remote, opened: Opener) -> None:
    content = Endless(100 * GIB)
    entry = remote.put("f", content)
    reader = opened()
    start = 70 * GIB + 12_345
    for offset in range(start, start + MIB, 128 * KIB):
        assert reader.read(entry, offset, 128 * KIB) == content.read(offset, offset + 128 * KIB)
    reader.close()
    # What was asked for, its blocks' ends, and one window of read-ahead at most.
    assert remote.home.bytes_sent <= MIB + 2 * BLOCK + 3 * MIB


def test_a_large_range_at_once_transfers_no_more_than_itself(remote: Remote, opened: Opener) -> None:
    entry = remote.put("f", Endless(100 * GIB))
    assert len(opened().read(entry, 50 * GIB, MIB)) == MIB
    assert remote.home.bytes_sent == MIB


def test_random_small_reads_transfer_little(remote: Remote, opened: Opener) -> None:
    content = Endless(GIB)
    entry = remote.put("f", content)
    reader = opened()
    offsets = [(number * 7919 % 1000) * MIB + 4096 for number in range(200)]
    for offset in offsets:
        assert reader.read(entry, offset, 4096) == content.read(offset, offset + 4096)
    reader.close()
    assert remote.home.bytes_sent == 200 * BLOCK
    assert len(remote.home.fetches) == 200


def test_sequential_reading_asks_for_every_byte_once_in_large_requests(remote: Remote, opened: Opener) -> None:
    content = Endless(300 * MIB)
    entry = remote.put("f", content)
    reader = opened()
    for offset in range(0, len(content), MIB):
        assert reader.read(entry, offset, MIB) == content.read(offset, offset + MIB)
    reader.close()
    assert remote.home.bytes_sent == len(content)
    assert len(remote.home.fetches) < 100
    assert max(length for _, _, length in remote.home.fetches) <= 8 * MIB + BLOCK


def test_the_beginning_of_a_huge_file_read_in_small_pieces_transfers_no_more_than_that(remote: Remote, opened: Opener) -> None:
    content = Endless(100 * GIB)
    entry = remote.put("f", content)
    reader = opened()
    # What the kernel asks for when a program reads the first MiB.
    for start, stop in ((0, 128 * KIB), (128 * KIB, 384 * KIB), (384 * KIB, 1408 * KIB), (1408 * KIB, 2432 * KIB)):
        for offset in range(start, stop, 128 * KIB):
            reader.read(entry, offset, 128 * KIB)
    reader.close()
    assert remote.home.bytes_sent == 2432 * KIB


def test_windows_fit_into_a_small_memory(remote: Remote, opened: Opener) -> None:
    content = Endless(48 * MIB)
    entry = remote.put("f", content)
    reader = opened(memory=4 * MIB)
    for offset in range(0, len(content), 128 * KIB):
        assert reader.read(entry, offset, 128 * KIB) == content.read(offset, offset + 128 * KIB)
    reader.close()
    # Nothing was driven out before it was used.
    assert remote.home.bytes_sent <= len(content) * 1.05
    assert max(length for _, _, length in remote.home.fetches) <= MIB + BLOCK


def test_several_streams_share_the_memory(remote: Remote, opened: Opener) -> None:
    content = Endless(24 * MIB)
    entries = [remote.put(f"f{number}", content, etag=f'"{number}"') for number in range(6)]
    reader = opened(memory=32 * MIB)
    for offset in range(0, len(content), 256 * KIB):
        for entry in entries:
            assert reader.read(entry, offset, 256 * KIB) == content.read(offset, offset + 256 * KIB)
    reader.close()
    assert remote.home.bytes_sent <= 6 * len(content) * 1.1


def test_readers_of_one_range_share_one_fetch(remote: Remote, opened: Opener) -> None:
    data = noise(200 * KIB)
    entry = remote.put("f", data)
    reader = opened()
    gate, asked = threading.Event(), threading.Event()

    def wait(offset: int, length: int) -> None:
        asked.set()
        assert gate.wait(30)

    remote.home.on_fetch = wait
    with ThreadPoolExecutor(8) as threads:
        readings = [threads.submit(reader.read, entry, 1000, 5000) for _ in range(8)]
        assert asked.wait(30)
        gate.set()
        assert all(reading.result(30) == data[1000:6000] for reading in readings)
    assert len(remote.home.fetches) == 1


def test_those_who_wait_for_a_fetch_that_fails_fail_with_it(remote: Remote, opened: Opener) -> None:
    entry = remote.put("f", noise(1000))
    other = remote.put("g", b"other")
    reader = opened()
    gate, asked = threading.Event(), threading.Event()

    def fail(offset: int, length: int) -> None:
        asked.set()
        assert gate.wait(30)
        raise ReferenceUnavailable("mem://box does not answer")

    remote.home.on_fetch = fail
    with ThreadPoolExecutor(8) as threads:
        readings = [threads.submit(reader.read, entry, 0, 10)]
        assert asked.wait(30)
        readings += [threads.submit(reader.read, entry, 0, 10) for _ in range(7)]
        gate.set()
        for reading in readings:
            with pytest.raises(ReferenceUnavailable):
                reading.result(30)
    remote.home.on_fetch = lambda *_: None
    assert reader.read(other, 0, 10) == b"other"
    assert reader.read(entry, 0, 1000) == noise(1000)


def test_a_stalled_fetch_keeps_nobody_else_waiting_for_ever(remote: Remote, opened: Opener) -> None:
    entry = remote.put("f", noise(1000))
    other = remote.put("g", b"other")
    reader = opened(patience_s=0.2)
    gate, asked = threading.Event(), threading.Event()

    def stall_once(offset: int, length: int) -> None:
        remote.home.on_fetch = lambda *_: None
        asked.set()
        assert gate.wait(60)

    remote.home.on_fetch = stall_once
    with ThreadPoolExecutor(1) as threads:
        stalled = threads.submit(reader.read, entry, 0, 10)
        assert asked.wait(30)
        assert reader.read(other, 0, 10) == b"other"
        with pytest.raises(TimeoutError, match="has not come within"):
            reader.read(entry, 0, 10)
        # It was given up: the next one asks again.
        assert reader.read(entry, 0, 10) == noise(1000)[:10]
        gate.set()
        assert stalled.result(30) == noise(1000)[:10]


@pytest.mark.parametrize("size", [1000, 5 * MIB])
def test_changed_content_is_never_served(remote: Remote, opened: Opener, size: int) -> None:
    entry = remote.put("f", noise(size))
    remote.put("f", noise(size, 2), etag='"e2"')
    with pytest.raises(ReferenceChanged, match=r'recorded ETag "e1".*found ETag "e2"'):
        opened().read(entry, 0, 10)


def test_content_of_another_size_is_never_served(remote: Remote, opened: Opener) -> None:
    entry = remote.put("f", noise(1000))
    remote.put("f", noise(999))
    with pytest.raises(ReferenceChanged, match="999 bytes"):
        opened().read(entry, 0, 10)


def test_content_that_is_gone_says_so(remote: Remote, opened: Opener) -> None:
    entry = remote.put("f", noise(1000))
    remote.home.things.clear()
    with pytest.raises(ReferenceChanged, match="found nothing"):
        opened().read(entry, 0, 10)
    with pytest.raises(ReferenceChanged, match="found nothing"):
        opened().read(remote.unrecorded("f"), 0, 10)


def test_a_change_between_two_ranges_is_an_error_for_what_has_not_come_yet(remote: Remote, opened: Opener) -> None:
    entry = remote.put("f", Endless(100 * MIB))
    reader = opened()
    before = reader.read(entry, 0, BLOCK)
    remote.put("f", Endless(100 * MIB), etag='"e2"')
    assert reader.read(entry, 0, BLOCK) == before
    with pytest.raises(ReferenceChanged):
        reader.read(entry, 50 * MIB, 10)


def test_a_size_that_was_not_recorded_is_asked_once(remote: Remote, opened: Opener) -> None:
    remote.put("f", Endless(5 * MIB))
    entry = remote.unrecorded("f")
    reader = opened()
    assert reader.known_size(entry) is None
    assert remote.home.looks == []
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(reader.size, [entry] * 8)) == {5 * MIB}
    assert reader.known_size(entry) == 5 * MIB
    assert reader.read(entry, 5 * MIB - 3, 10) == Endless(5 * MIB).read(5 * MIB - 3, 5 * MIB)
    assert len(remote.home.looks) == 1


def test_an_unrecorded_content_is_pinned_to_what_was_found(remote: Remote, opened: Opener) -> None:
    remote.put("f", Endless(5 * MIB))
    entry = remote.unrecorded("f")
    reader = opened()
    reader.read(entry, 0, 10)
    remote.put("f", Endless(5 * MIB), etag='"e2"')
    with pytest.raises(ReferenceChanged):
        reader.read(entry, 4 * MIB, 10)
    # As a whole it is read anew: nothing was recorded that it had to be.
    assert b"".join(reader.iter_bytes(entry)) == Endless(5 * MIB).read(0, 5 * MIB)


def test_asking_for_a_size_that_nobody_answers_is_an_error_each_time(remote: Remote, opened: Opener) -> None:
    remote.put("f", b"data")
    entry = remote.unrecorded("f")
    reader = opened()

    def refuse() -> None:
        raise AccessDenied("mem://box/f may not be read")

    remote.home.on_look = refuse
    for _ in range(2):
        with pytest.raises(AccessDenied):
            reader.size(entry)
    remote.home.on_look = lambda: None
    assert reader.size(entry) == 4


@pytest.mark.parametrize("size", [0, 1000, 3 * MIB])
def test_a_size_that_nobody_says_is_found_by_reading(remote: Remote, opened: Opener, size: int) -> None:
    entry = remote.put("f", Endless(size), says_size=False, gives_ranges=False)
    reader = opened()
    assert reader.known_size(entry) is None
    assert reader.size(entry) == size
    assert reader.known_size(entry) == size
    assert reader.read(entry, 10, size) == Endless(size).read(10, size)
    assert len(remote.home.fetches) == 1


def test_an_empty_reference_is_read_without_asking(remote: Remote, opened: Opener) -> None:
    entry = remote.put("f", b"")
    reader = opened()
    assert reader.read(entry, 0, 10) == b""
    assert list(reader.iter_bytes(entry)) == []
    assert remote.home.fetches == []


def test_what_is_no_reference_is_a_defect(opened: Opener) -> None:
    with pytest.raises(InternalError, match="'d' is a directory"):
        opened().read(directory_entry("d"), 0, 1)


def test_errors_of_homes_pass_as_they_are(remote: Remote, opened: Opener) -> None:
    entry: Entry = remote.put("f", noise(1000))

    def refuse(offset: int, length: int) -> None:
        raise AccessDenied("mem://box/f may not be read")

    remote.home.on_fetch = refuse
    for read in (lambda: opened().read(entry, 0, 1), lambda: list(opened().iter_bytes(entry))):
        with pytest.raises(ArtfsError, match="mem://box/f may not be read"):
            read()


class TestFailures:
    """What has just failed to come is not waited for again by each of those who queue for it."""

    def test_a_failure_that_took_long_is_that_of_all_who_come_soon_after(self, remote: Remote, tmp_path: Path) -> None:
        now_s = [0.0]
        reader = ReferenceReader(remote.references, SharedFetches(0), tmp_path / "spools", clock=lambda: now_s[0])
        sized, unsized, healthy = remote.put("f", Endless(9 * MIB)), remote.unrecorded("f"), remote.put("h", b"healthy")

        def stall(*_: object) -> None:
            now_s[0] += 20
            raise ReferenceUnavailable("its server stopped sending")

        remote.home.on_fetch = remote.home.on_look = stall
        for call in (partial(reader.read, sized, 0, 10), partial(reader.read, unsized, 0, 10), partial(reader.size, unsized)):
            for _ in range(16):
                with pytest.raises(ReferenceUnavailable, match="stopped sending"):
                    call()
        assert (len(remote.home.fetches), len(remote.home.looks)) == (1, 1)
        remote.home.on_fetch, remote.home.on_look = (lambda *_: None), (lambda: None)
        assert reader.read(healthy, 0, 10) == b"healthy"
        now_s[0] += 5
        assert reader.size(unsized) == 9 * MIB
        assert reader.read(sized, 0, 10) == reader.read(unsized, 0, 10)
        reader.close()

    def test_a_size_that_is_known_is_told_also_where_the_content_has_just_failed_to_come(
        self, remote: Remote, tmp_path: Path
    ) -> None:
        now_s = [0.0]
        reader = ReferenceReader(remote.references, SharedFetches(0), tmp_path / "spools", clock=lambda: now_s[0])
        sized, unsized = remote.put("f", Endless(9 * MIB)), remote.unrecorded("f")
        assert reader.size(unsized) == 9 * MIB

        def stall(*_: object) -> None:
            now_s[0] += 20
            raise ReferenceUnavailable("its server stopped sending")

        remote.home.on_fetch = stall
        for entry in (sized, unsized):
            with pytest.raises(ReferenceUnavailable):
                reader.read(entry, 0, 10)
            assert reader.size(entry) == 9 * MIB
            with pytest.raises(ReferenceUnavailable):
                reader.read(entry, 0, 10)
        assert len(remote.home.fetches) == 2
        reader.close()

    def test_a_failure_that_came_at_once_is_asked_for_again_at_once(self, remote: Remote, tmp_path: Path) -> None:
        reader = ReferenceReader(remote.references, SharedFetches(0), tmp_path / "spools", clock=lambda: 0.0)
        entry = remote.put("f", b"content")
        remote.home.break_offs = [3]
        with pytest.raises(ReferenceUnavailable):
            reader.read(entry, 0, 10)
        assert reader.read(entry, 0, 10) == b"content"
        reader.close()
