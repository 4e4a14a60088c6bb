"""The pipeline: finished in order, within its bound, and quiet after an error."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from artfs.content.pipeline import Pipeline


def test_everything_is_finished_in_the_order_of_submission() -> None:
    finished: list[int] = []
    with ThreadPoolExecutor(4) as executor:
        pipeline = Pipeline(executor, limit=1000)
        first_may_end = threading.Event()

        def work(number: int) -> int:
            if number == 0:
                first_may_end.wait(60)
            return number

        for number in range(20):
            pipeline.submit(1, lambda number=number: work(number), finished.append)  # type: ignore[misc]
        pipeline.then(lambda _: finished.append(99))
        assert finished == []
        first_may_end.set()
        pipeline.drain()
    assert finished == [*range(20), 99]


def test_no_more_than_the_limit_is_under_way() -> None:
    under_way: list[int] = []
    most = 0
    with ThreadPoolExecutor(4) as executor:
        pipeline = Pipeline(executor, limit=100)
        for number in range(50):
            under_way.append(number)
            pipeline.submit(30, lambda: None, lambda _: under_way.remove(under_way[0]))
            most = max(most, len(under_way))
        pipeline.drain()
    # Three are within the limit; the one being submitted is counted here before there is room for it.
    assert most <= 4


def test_one_piece_larger_than_the_limit_goes_alone() -> None:
    finished: list[str] = []
    with ThreadPoolExecutor(2) as executor:
        pipeline = Pipeline(executor, limit=10)
        for name in "abc":
            pipeline.submit(100, lambda name=name: name, finished.append)  # type: ignore[misc]
        pipeline.drain()
    assert finished == ["a", "b", "c"]


def test_the_first_error_is_raised_and_what_is_left_can_be_given_up() -> None:
    finished: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        pipeline = Pipeline(executor, limit=1000)
        pipeline.submit(1, lambda: 1, finished.append)
        pipeline.submit(1, lambda: 1 // 0, finished.append)
        pipeline.submit(1, lambda: 3, finished.append)
        with pytest.raises(ZeroDivisionError):
            pipeline.drain()
        pipeline.cancel()
        pipeline.drain()
    assert finished == [1]
