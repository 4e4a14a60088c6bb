"""One bounded memory and one table of fetches for all: kept, shared, given up, and never waited for for ever."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from artfs.chunks.shared_fetches import SharedFetches
from artfs.errors import IntegrityError, StoreUnavailable, TimedOut
from tests.waiting import wait_until

Wanted = Mapping[str, None]


def give(size: int = 10, asked: list[list[str]] | None = None) -> Callable[[dict[str, None]], dict[str, bytes]]:
    """A fetch that gives `size` bytes for each key, and notes what it was asked for."""

    def fetch(own: dict[str, None]) -> dict[str, bytes]:
        if asked is not None:
            asked.append(list(own))
        return {key: key.encode() * size for key in own}

    return fetch


def want(*keys: str) -> dict[str, None]:
    return dict.fromkeys(keys)


def test_what_is_there_is_not_fetched_again() -> None:
    shared, asked = SharedFetches(1000), list[list[str]]()
    assert shared.get(want("a", "b"), give(asked=asked)) == {"a": b"a" * 10, "b": b"b" * 10}
    assert shared.get(want("b", "c"), give(asked=asked)) == {"b": b"b" * 10, "c": b"c" * 10}
    assert asked == [["a", "b"], ["c"]]
    assert shared.peek("a") == b"a" * 10
    assert shared.peek("d") is None


def test_what_comes_beyond_what_was_asked_for_is_kept_too() -> None:
    shared = SharedFetches(1000)
    assert shared.get(want("a"), lambda _: {"a": b"1", "b": b"2"}) == {"a": b"1"}
    assert shared.peek("b") == b"2"


def test_what_is_reserved_is_not_used_for_keeping() -> None:
    shared = SharedFetches(100)
    shared.get(want(*"abcdefghij"), give())
    shared.reserve(75)
    assert [key for key in "abcdefghij" if shared.peek(key)] == ["i", "j"]
    shared.get(want("k"), give())
    assert [key for key in "abcdefghijk" if shared.peek(key)] == ["j", "k"]
    shared.release(75)
    shared.get(want(*"lmnopqrs"), give())
    assert all(shared.peek(key) for key in "jklmnopqrs")


def test_more_may_be_reserved_than_there_is() -> None:
    shared = SharedFetches(100)
    shared.get(want("a"), give())
    shared.reserve(1000)
    assert shared.peek("a") is None
    assert shared.get(want("a"), give()) == {"a": b"a" * 10}
    assert shared.peek("a") is None
    shared.release(1000)
    shared.get(want("a"), give())
    assert shared.peek("a") is not None


class Gate:
    """A fetch that waits until it may end, then does what it was told."""

    def __init__(self, end: Callable[[dict[str, None]], dict[str, bytes]]) -> None:
        self.end = end
        self.asked = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, own: dict[str, None]) -> dict[str, bytes]:
        self.asked.release()
        assert self.open.wait(60)
        return self.end(own)


def test_a_transient_error_is_that_of_all_who_wait() -> None:
    shared = SharedFetches(1000)

    def fail(own: dict[str, None]) -> dict[str, bytes]:
        raise StoreUnavailable("the line is down")

    gate = Gate(fail)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(shared.get, want("a"), gate)
        assert gate.asked.acquire(timeout=30)
        others = [threads.submit(shared.get, want("b", "a"), give()) for _ in range(3)]
        wait_until(lambda: shared.peek("b") is not None)  # its own is fetched before it waits
        gate.open.set()
        for each in (first, *others):
            with pytest.raises(StoreUnavailable):
                each.result(30)
    assert shared.get(want("a"), give()) == {"a": b"a" * 10}


def test_what_another_could_not_fetch_for_its_own_reasons_is_fetched_by_who_waited() -> None:
    shared = SharedFetches(1000)

    def fail(own: dict[str, None]) -> dict[str, bytes]:
        raise IntegrityError("one of them is damaged")

    gate = Gate(fail)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(shared.get, want("a", "damaged"), gate)
        assert gate.asked.acquire(timeout=30)
        second = threads.submit(shared.get, want("b", "a"), give())
        wait_until(lambda: shared.peek("b") is not None)
        gate.open.set()
        with pytest.raises(IntegrityError):
            first.result(30)
        assert second.result(30)["a"] == b"a" * 10


def test_who_waits_for_a_fetch_that_never_ends_gives_it_up() -> None:
    shared = SharedFetches(1000, patience_s=0.05)
    gate = Gate(give(5))
    with ThreadPoolExecutor(1) as threads:
        stuck = threads.submit(shared.get, want("a", "b"), gate)
        assert gate.asked.acquire(timeout=30)
        with pytest.raises(TimedOut, match="has not come within"):
            shared.get(want("b"), give())
        assert shared.get(want("a", "b"), give()) == {"a": b"a" * 10, "b": b"b" * 10}
        gate.open.set()
        assert stuck.result(30) == {"a": b"a" * 5, "b": b"b" * 5}
    # What was there first stays.
    assert shared.peek("a") == b"a" * 10
    assert not shared._fetches


def test_nothing_stays_entered_after_errors_of_any_kind() -> None:
    shared = SharedFetches(1000)

    def interrupted(own: dict[str, None]) -> dict[str, bytes]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shared.get(want("a"), interrupted)
    with pytest.raises(KeyError):
        shared.get(want("a"), lambda _: {})
    assert shared.get(want("a"), give()) == {"a": b"a" * 10}


def test_a_forked_child_waits_for_nothing_that_its_parent_fetches() -> None:
    shared = SharedFetches(1000, patience_s=0)
    shared.get(want("a"), give())

    def in_child() -> bool:
        kept = shared.peek("a") == b"a" * 10
        return kept and shared.get(want("b"), give()) == {"b": b"b" * 10}

    def fetch(own: dict[str, None]) -> dict[str, bytes]:
        assert passes_in_child(in_child)
        return give()(own)

    shared.get(want("b"), fetch)


def test_a_forked_child_has_an_empty_memory_where_a_thread_was_changing_it() -> None:
    shared = SharedFetches(100)
    shared.get(want("a"), give())
    shared.reserve(60)

    def in_child() -> bool:
        was_empty = shared.peek("a") is None
        shared.get(want(*"bcdef"), give())
        return was_empty and [key for key in "bcdef" if shared.peek(key)] == [*"cdef"]

    with shared._lock:
        assert passes_in_child(in_child)
    assert shared.peek("a")


def passes_in_child(check: Callable[[], bool]) -> bool:
    """What `check` says in a forked child, which has 30 s."""
    child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            os._exit(not check())
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
