"""Read-ahead: when it starts, how it grows, and when it keeps quiet."""

from __future__ import annotations

import os
import signal
import threading
from itertools import pairwise

import pytest

from artfs.content.prefetch import CHUNK_PACE, FIRST_WINDOW, LARGEST_WINDOW, Pace, Prefetch
from artfs.errors import StoreUnavailable

KIB, MIB = 1 << 10, 1 << 20


class Fetched:
    """Notes what was asked for."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self._lock = threading.Lock()

    def __call__(self, offset: int, length: int) -> None:
        with self._lock:
            self.ranges.append((offset, offset + length))


def read(reads: list[tuple[int, int]], size: int, pace: Pace = CHUNK_PACE) -> list[tuple[int, int]]:
    """The ranges asked for ahead while `reads` (offset, length) of one file of `size` bytes are done, in order."""
    prefetch, fetched = Prefetch(pace), Fetched()
    for offset, length in reads:
        prefetch.note("file", offset, length, size, fetched)
        wait_until_idle(prefetch)
    prefetch.close()
    return sorted(fetched.ranges)


def wait_until_idle(prefetch: Prefetch) -> None:
    """Every step asked for so far has run: the two threads take them in order."""
    barrier = threading.Barrier(3)
    for _ in range(2):
        prefetch._workers.submit(lambda: barrier.wait(60))
    barrier.wait(60)


def test_one_read_asks_for_nothing() -> None:
    assert read([(0, 128 * KIB)], 100 * MIB) == []


def test_the_second_read_that_goes_on_starts_it() -> None:
    assert read([(0, 128 * KIB), (128 * KIB, 128 * KIB)], 100 * MIB) == [(256 * KIB, 256 * KIB + FIRST_WINDOW)]


def test_a_far_file_read_from_its_beginning_in_large_reads_is_read_ahead_at_once() -> None:
    pace = Pace(eager=8, largest=64 * MIB, most_step=4 * MIB, budget=256 * MIB)
    assert read([(0, 128 * KIB)], 100 * MIB, pace) == []
    assert read([(3 * MIB, MIB)], 100 * MIB, pace) == []
    first = read([(0, MIB)], 100 * MIB, pace)
    assert (first[0][0], first[-1][1]) == (MIB, 9 * MIB)
    assert read([(0, MIB), (MIB, MIB)], 100 * MIB, pace)[-1][1] == 18 * MIB
    assert read([(0, MIB)], 5 * MIB, pace)[-1][1] == 5 * MIB


def test_it_asks_for_every_byte_once_and_stays_within_the_window() -> None:
    step = 128 * KIB
    size = 40 * MIB
    done = [(offset, step) for offset in range(0, size, step)]
    ranges = read(done, size)
    assert all(end == start for (_, end), (start, _) in pairwise(ranges))
    assert ranges[0][0] == 2 * step
    assert ranges[-1][1] == size


def test_it_never_asks_for_more_than_the_largest_window_ahead() -> None:
    prefetch, fetched = Prefetch(), Fetched()
    for offset in range(0, 30 * MIB, 128 * KIB):
        prefetch.note("file", offset, 128 * KIB, 100 * MIB, fetched)
        wait_until_idle(prefetch)
        assert all(end <= offset + 128 * KIB + LARGEST_WINDOW for _, end in fetched.ranges)
    prefetch.close()


def test_random_reads_ask_for_nothing() -> None:
    assert read([((number * 37 % 90) * MIB, 64 * KIB) for number in range(60)], 100 * MIB) == []


@pytest.mark.parametrize("step", [128 * KIB, MIB])
def test_reads_slightly_out_of_order_are_still_one_stream(step: int) -> None:
    order = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 10, 12, 11]
    ranges = read([(number * step, step) for number in order], 100 * MIB)
    # After the first few reads everything that follows was asked for, once.
    assert ranges[0][0] <= 4 * step
    assert all(end == start for (_, end), (start, _) in pairwise(ranges))
    assert ranges[-1][1] >= 13 * step


def test_two_files_read_in_turns_are_two_streams() -> None:
    prefetch, first, second = Prefetch(), Fetched(), Fetched()
    for offset in range(0, 2 * MIB, 128 * KIB):
        prefetch.note("first", offset, 128 * KIB, 10 * MIB, first)
        prefetch.note("second", offset, 128 * KIB, 10 * MIB, second)
        wait_until_idle(prefetch)
    prefetch.close()
    assert first.ranges
    assert sorted(first.ranges) == sorted(second.ranges)


def test_many_streams_are_forgotten_in_turn() -> None:
    prefetch, fetched = Prefetch(), Fetched()
    for key in range(1000):
        prefetch.note(key, 0, 128 * KIB, 10 * MIB, fetched)
    assert len(prefetch._streams) <= 64
    prefetch.close()


def test_an_error_ahead_is_left_to_the_reader(caplog: pytest.LogCaptureFixture) -> None:
    def fail(offset: int, length: int) -> None:
        raise StoreUnavailable("the store does not answer")

    prefetch = Prefetch()
    for offset in range(0, 4 * MIB, 128 * KIB):
        prefetch.note("file", offset, 128 * KIB, 10 * MIB, fail)
    prefetch.close()
    assert not caplog.records


def test_after_close_nothing_is_asked_for() -> None:
    prefetch, fetched = Prefetch(), Fetched()
    prefetch.close()
    for offset in range(0, 2 * MIB, 128 * KIB):
        prefetch.note("file", offset, 128 * KIB, 10 * MIB, fetched)
    assert fetched.ranges == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_reads_ahead_whatever_its_parent_has_under_way() -> None:
    prefetch, gate = Prefetch(), threading.Event()
    for offset in range(0, 16 * MIB, 128 * KIB):
        prefetch.note("file", offset, 128 * KIB, 100 * MIB, lambda _offset, _length: gate.wait(60))
    with prefetch._lock:
        child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            fetched = Fetched()
            for offset in range(0, MIB, 128 * KIB):
                prefetch.note("file", offset, 128 * KIB, 100 * MIB, fetched)
                wait_until_idle(prefetch)
            os._exit(not fetched.ranges)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gate.set()
    prefetch.close()
