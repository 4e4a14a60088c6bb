"""Where files are cut: the same everywhere, for ever, however the bytes come."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artfs.chunks.cutter import AVERAGE_SIZE, MAX_REST, MAX_SIZE, MIN_SIZE, cut

#: The sizes of the chunks of the SHA-256 digests of "0", "1", ... one after the other.
# fmt: off
FROZEN = [
    81132, 90438, 24433, 76909, 69675, 94399, 78257, 72796, 66961, 66161, 84033, 68119, 68408, 75433, 18189, 72699, 66484,
    69439, 36035,
]
# fmt: on
DATA = random.Random(1).randbytes(3 << 20)
KIB = 1 << 10


def cut_in_windows(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut as a reader does that gets the data in pieces of `sizes`, again and again."""
    chunks: list[bytes] = []
    rest = b""
    position = turn = 0
    while position < len(data):
        piece = data[position : position + sizes[turn % len(sizes)]]
        position += len(piece)
        turn += 1
        window = rest + piece
        found = cut(memoryview(window), final=False)
        chunks += [bytes(chunk) for chunk in found]
        rest = window[sum(map(len, found)) :]
        assert len(rest) <= MAX_REST
    return chunks + [bytes(chunk) for chunk in cut(memoryview(rest), final=True)]


def whole(data: bytes) -> list[bytes]:
    return [bytes(chunk) for chunk in cut(memoryview(data), final=True)]


def test_the_cuts_are_part_of_the_format() -> None:
    # A change of these numbers is a change of the format: nothing new would share chunks with what is stored.
    stream = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(40_000))
    chunks = cut(memoryview(stream), final=True)
    assert [len(chunk) for chunk in chunks] == FROZEN


def test_the_chunks_are_the_file() -> None:
    chunks = whole(DATA)
    assert b"".join(chunks) == DATA
    assert all(MIN_SIZE <= len(chunk) <= MAX_SIZE for chunk in chunks[:-1])
    assert len(chunks[-1]) <= AVERAGE_SIZE
    assert 40 * KIB < len(DATA) / len(chunks) < 100 * KIB


@pytest.mark.parametrize("size", [1, MIN_SIZE, AVERAGE_SIZE - 1, AVERAGE_SIZE])
def test_a_small_file_is_one_chunk(size: int) -> None:
    assert whole(DATA[:size]) == [DATA[:size]]


def test_an_empty_file_has_no_chunks() -> None:
    assert cut(memoryview(b""), final=True) == []
    assert cut(memoryview(b""), final=False) == []


def test_nothing_is_copied() -> None:
    window = memoryview(DATA)
    assert all(chunk.obj is DATA for chunk in cut(window, final=True))


def test_bytes_that_are_all_the_same_are_cut_at_the_largest_size() -> None:
    chunks = whole(bytes(1 << 20))
    assert [len(chunk) for chunk in chunks] == [MAX_SIZE] * 4


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 900 * KIB),
    st.lists(st.integers(1, 700 * KIB), min_size=1, max_size=4).filter(lambda sizes: max(sizes) > 20 * KIB),
)
def test_the_chunks_do_not_depend_on_the_windows(size: int, windows: list[int]) -> None:
    data = DATA[:size]
    assert cut_in_windows(data, windows) == whole(data)


def test_any_window_beyond_the_rest_makes_progress() -> None:
    for data in (DATA, bytes(len(DATA))):
        assert cut(memoryview(data)[: MAX_REST + 1], final=False)


def test_an_insertion_changes_the_chunks_it_touches_only() -> None:
    middle = len(DATA) // 2
    before, after = whole(DATA), whole(DATA[:middle] + b"inserted" + DATA[middle:])
    assert len(set(after) - set(before)) <= 2


def test_an_append_changes_the_end_only() -> None:
    before, after = whole(DATA), whole(DATA + b"appended")
    assert len(set(before) - set(after)) <= 1
