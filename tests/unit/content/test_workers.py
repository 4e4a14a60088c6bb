"""Threads for what is fetched ahead: as many as are needed, in order, and none that keeps a process from ending."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import partial

import pytest

from artfs.content.workers import Workers


def test_results_and_errors_arrive() -> None:
    workers = Workers(2, "test")
    futures = [workers.submit(partial(pow, number, 2)) for number in range(50)]
    assert [future.result(30) for future in futures] == [number**2 for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 // 0).result(30)
    assert len(workers._threads) <= 2
    workers.close(wait=True)


def test_calls_run_side_by_side_up_to_the_limit() -> None:
    workers = Workers(4, "test")
    together = threading.Barrier(4)
    futures = [workers.submit(lambda: together.wait(30)) for _ in range(8)]
    assert sorted(future.result(30) for future in futures) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(workers._threads) == 4
    workers.close(wait=True)


def test_what_has_not_begun_is_cancelled() -> None:
    workers = Workers(1, "test")
    begun, gate = threading.Event(), threading.Event()

    def wait() -> bool:
        begun.set()
        return gate.wait(30)

    first, second = workers.submit(wait), workers.submit(lambda: True)
    assert begun.wait(30)
    workers.close(wait=False)
    assert second.cancelled()
    gate.set()
    assert first.result(30) is True
    # Asked again, it begins again.
    assert workers.submit(lambda: True).result(30) is True
    workers.close(wait=True)


def test_a_call_that_never_ends_does_not_keep_the_process() -> None:
    script = """
import threading
from artfs.content.workers import Workers
begun = threading.Event()
Workers(2, "test").submit(lambda: (begun.set(), threading.Event().wait()))
assert begun.wait(30)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


def test_a_forked_child_does_not_wait_for_a_lock_of_its_parent() -> None:
    workers = Workers(1, "test")
    with workers._lock:
        child = os.fork()
    if not child:
        try:
            os._exit(workers.submit(lambda: 42).result(30))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    workers.close(wait=True)


def test_a_forked_child_has_threads_of_its_own() -> None:
    workers = Workers(1, "test")
    workers.submit(lambda: None).result(30)
    child = os.fork()
    if not child:
        try:
            os._exit(workers.submit(lambda: 42).result(30))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    workers.close(wait=True)
