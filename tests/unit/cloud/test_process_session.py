"""One session for a process, however many threads ask for it, and none that a child shares with its parent."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from artfs.cloud.process_session import ProcessSession
from artfs.errors import AccessDenied, NotInstalled


class Opened:
    """A session that knows who opened it, and whether it was closed."""

    def __init__(self, credentials: str = "the same") -> None:
        self.credentials = credentials
        self.process = os.getpid()
        self.is_closed = False

    def login(self) -> object:
        return self.credentials

    def close(self) -> None:
        self.is_closed = True


def in_child(check: Callable[[], bool]) -> bool:
    """What `check` says in a forked process."""
    child = os.fork()
    if not child:
        try:
            # A child that hangs says where, and ends.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            faulthandler.register(signal.SIGALRM, chain=True)
            signal.alarm(30)
            os._exit(0 if check() else 2)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_share_one_session() -> None:
    opened: list[Opened] = []

    def open_session() -> Opened:
        opened.append(Opened())
        return opened[-1]

    sessions = ProcessSession(open_session)
    together = threading.Barrier(8)

    def get(_: int) -> Opened:
        together.wait(30)
        return sessions.get()

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(get, range(8))) == set(opened)
    assert len(opened) == 1


def test_after_closing_another_one_is_opened() -> None:
    sessions = ProcessSession(Opened)
    sessions.close()
    first = sessions.get()
    sessions.close()
    assert first.is_closed
    assert sessions.get() is not first


def test_what_could_not_be_opened_is_tried_again() -> None:
    answers = iter((False, True))

    def open_session() -> Opened:
        if not next(answers):
            raise NotInstalled("install it")
        return Opened()

    sessions = ProcessSession(open_session)
    with pytest.raises(NotInstalled):
        sessions.get()
    assert not sessions.get().is_closed


def refused(session: Opened) -> str:
    """What a server does that takes nothing but the credentials `new`."""
    if session.credentials != "new":
        raise AccessDenied(f"{session.credentials} is refused")
    return session.credentials


def test_who_is_refused_looks_for_other_credentials_once() -> None:
    found = iter(["old", "new"])
    sessions = ProcessSession(lambda: Opened(next(found)))
    old = sessions.get()
    assert sessions.use(refused) == "new"
    assert not old.is_closed  # other threads may still ask by it
    assert sessions.use(refused) == "new"


def test_all_threads_that_are_refused_at_once_go_on_with_what_one_of_them_finds() -> None:
    found = iter(["old", "new"])
    sessions = ProcessSession(lambda: Opened(next(found)))
    together = threading.Barrier(8)

    def ask(session: Opened) -> str:
        if session.credentials == "old":
            together.wait(30)
        return refused(session)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: sessions.use(ask), range(8))) == ["new"] * 8


def test_who_is_refused_rightly_looks_again_only_after_a_while() -> None:
    opened: list[Opened] = []
    clock = [100.0]

    def open_session() -> Opened:
        opened.append(Opened("old"))
        return opened[-1]

    sessions = ProcessSession(open_session, lambda: clock[0])
    for _ in range(5):
        with pytest.raises(AccessDenied, match="old is refused"):
            sessions.use(refused)
    assert [one.is_closed for one in opened] == [False, True]
    clock[0] += 31
    with pytest.raises(AccessDenied):
        sessions.use(refused)
    assert len(opened) == 3


def test_a_refusal_says_more_than_what_prevents_another_look() -> None:
    answers = iter((True, False))

    def open_session() -> Opened:
        if not next(answers):
            raise NotInstalled("gone")
        return Opened("old")

    with pytest.raises(AccessDenied, match="old is refused"):
        ProcessSession(open_session).use(refused)


def test_a_child_opens_its_own_and_leaves_that_of_its_parent_alone() -> None:
    sessions = ProcessSession(Opened)
    inherited = sessions.get()

    def check() -> bool:
        sessions.close()
        return not inherited.is_closed and sessions.get().process == os.getpid()

    assert in_child(check)
    assert sessions.get() is inherited


# Newer Pythons warn of forks while there are threads, which is what this is about.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_child_does_not_wait_for_what_a_thread_of_its_parent_is_opening() -> None:
    opening, gate = threading.Event(), threading.Event()
    parent = os.getpid()

    def open_session() -> Opened:
        if os.getpid() == parent:
            opening.set()
            assert gate.wait(30)
        return Opened()

    sessions = ProcessSession(open_session)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(sessions.get)
        assert opening.wait(30)
        assert in_child(lambda: sessions.get().process == os.getpid())
        gate.set()
        assert slow.result(30).process == parent


def test_a_child_does_not_free_what_it_has_inherited() -> None:
    """What a store of obstore waits for when it ends may be held by a thread that is not in the child."""
    sessions = ProcessSession(Opened)
    inherited = weakref.ref(sessions.get())

    def check() -> bool:
        mine = sessions.get()
        gc.collect()
        return inherited() is not None and inherited() is not mine

    assert in_child(check)
