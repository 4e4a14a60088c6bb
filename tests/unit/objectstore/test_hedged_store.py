"""What comes late is asked for a second time, within bounds; whichever answer comes first is taken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pytest

from artfs.content.workers import Workers
from artfs.errors import StoreUnavailable
from artfs.objectstore.hedged import LEAST_LENGTH, LEAST_REMEMBERED, MOST_AGAIN, HedgedStore
from artfs.objectstore.memory import MemoryStore
from tests.waiting import wait_until

T = TypeVar("T")
DATA = bytes(LEAST_LENGTH)
AT_ONCE = 4


class Slow(MemoryStore):
    """Keeps back the first request for each key that is `late`, until it is released. `broken` lets the next requests fail."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.late: set[str] = set()
        self.broken = 0
        self.released = threading.Event()

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        self.asked.append(key)
        if key in self.late:
            self.late.remove(key)
            assert self.released.wait(60)
        elif self.broken:
            self.broken -= 1
            raise StoreUnavailable(f"{key} did not answer")
        return super().read_range(key, offset, length)


@pytest.fixture
def slow() -> Iterator[Slow]:
    store = Slow()
    for number in range(AT_ONCE):
        store.put(f"packs/{number}", [DATA])
    yield store
    store.released.set()


@pytest.fixture
def hedged(slow: Slow) -> Iterator[HedgedStore]:
    """Over `slow`, after as many requests as tell what is usual."""
    threads = Workers(3 * AT_ONCE, "requests")
    hedged = HedgedStore(slow, threads, late_s=0.01)
    for _ in range(LEAST_REMEMBERED):
        hedged.read_range("packs/0", 0, LEAST_LENGTH)
    slow.asked.clear()
    yield hedged
    slow.released.set()
    threads.close(wait=True)


def test_what_is_late_is_asked_for_again_and_the_first_answer_is_taken(slow: Slow, hedged: HedgedStore) -> None:
    slow.late = {"packs/1"}
    assert hedged.read_range("packs/1", 0, LEAST_LENGTH) == DATA  # while the first request is still under way
    assert slow.asked == ["packs/1", "packs/1"]


def test_where_the_second_request_fails_the_first_one_counts(slow: Slow, hedged: HedgedStore) -> None:
    slow.late, slow.broken = {"packs/1"}, 1
    with ThreadPoolExecutor(1) as reader:
        data = reader.submit(hedged.read_range, "packs/1", 0, LEAST_LENGTH)
        wait_until(lambda: not slow.broken)
        slow.released.set()
        assert data.result() == DATA


def test_a_request_that_fails_at_once_is_not_made_again(slow: Slow, hedged: HedgedStore) -> None:
    slow.broken = 1
    with pytest.raises(StoreUnavailable, match="packs/1 did not answer"):
        hedged.read_range("packs/1", 0, LEAST_LENGTH)
    assert slow.asked == ["packs/1"]


def test_a_store_that_is_slow_as_a_whole_is_asked_few_times_more(slow: Slow, hedged: HedgedStore) -> None:
    keys = [f"packs/{number}" for number in range(AT_ONCE)]
    slow.late = set(keys)
    with ThreadPoolExecutor(AT_ONCE) as readers:
        read = [readers.submit(hedged.read_range, key, 0, LEAST_LENGTH) for key in keys]
        wait_until(lambda: len(slow.asked) > AT_ONCE)
        slow.released.set()
        assert [future.result() for future in read] == [DATA] * AT_ONCE
    assert AT_ONCE < len(slow.asked) <= AT_ONCE + MOST_AGAIN


@pytest.mark.parametrize("length", [LEAST_LENGTH - 1, LEAST_LENGTH])
def test_small_requests_and_the_first_ones_are_made_once(slow: Slow, length: int) -> None:
    hedged = HedgedStore(slow, Workers(3, "requests"), late_s=0.0)
    slow.late = {"packs/1"}
    with ThreadPoolExecutor(1) as reader:
        data = reader.submit(hedged.read_range, "packs/1", 0, length)
        wait_until(lambda: bool(slow.asked))
        slow.released.set()
        assert data.result() == DATA[:length]
    assert slow.asked == ["packs/1"]


class LetGo:
    """Threads that were let go of before they came to what they were asked for."""

    def submit(self, call: Callable[[], T], /) -> Future[T]:
        del call
        future: Future[T] = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_who_waits_for_a_thread_when_they_are_let_go_of_reads_by_itself(slow: Slow) -> None:
    assert HedgedStore(slow, LetGo()).read_range("packs/1", 0, LEAST_LENGTH) == DATA
    assert slow.asked == ["packs/1"]
