"""A host that does not answer is not asked again by everybody who wants something of it."""

from __future__ import annotations

import contextlib

import pytest

from artfs.errors import AccessDenied, ArtfsError, NotFound, ReferenceUnavailable
from artfs.references.silent_hosts import SilentHosts

A = [f"http://user:pass@a.example:81/{number}?token=s3cret" for number in range(4)]
SILENCE = ReferenceUnavailable("it did not answer in time", no_answer=True)
BUSY = ReferenceUnavailable("503")


class Asking:
    """Asks hosts at a time that is set. `asked` are the URIs that were asked for, rather than refused."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.hosts = SilentHosts(10, lambda: self.now_s)
        self.asked: list[str] = []

    def ask(self, uri: str, error: ArtfsError | None = None, took_s: float = 1) -> str:
        """What the asker is told."""
        try:
            with self.hosts.asking(uri):
                self.asked.append(uri)
                self.now_s += took_s
                if error is not None:
                    raise error
        except ArtfsError as told:
            return str(told)
        return "something"


@pytest.fixture
def asking() -> Asking:
    return Asking()


def test_a_host_that_is_silent_at_two_addresses_is_asked_for_no_third_and_others_are(asking: Asking) -> None:
    assert asking.ask(A[0], SILENCE) == asking.ask(A[1], SILENCE) == str(SILENCE)
    told = asking.ask(A[2])
    assert "http://a.example:81 has just not answered" in told
    assert "token=…" in told
    assert "pass" not in told
    assert asking.asked == A[:2]
    for other in ("http://a.example/0", "http://b.example:81/0", "https://a.example:81/0"):
        assert asking.ask(other) == "something"


def test_one_address_does_not_speak_for_the_others(asking: Asking) -> None:
    for _ in range(3):
        asking.ask(A[0], SILENCE)
    assert asking.ask(A[1]) == "something"


@pytest.mark.parametrize("answer", [None, NotFound("404"), AccessDenied("403"), BUSY], ids=str)
def test_any_answer_between_two_failures_shows_that_a_host_is_there(asking: Asking, answer: ArtfsError | None) -> None:
    for _ in range(3):
        asking.ask(A[0], SILENCE)
        asking.ask(A[1], answer)
    asking.ask(A[2], answer)
    assert asking.ask(A[3]) == "something"


def test_what_was_asked_for_before_another_was_answered_says_nothing(asking: Asking) -> None:
    for uri in A[:2]:
        with contextlib.suppress(ReferenceUnavailable), asking.hosts.asking(uri):
            asking.now_s += 1
            asking.ask(A[2])
            raise SILENCE
    assert asking.ask(A[3]) == "something"


def test_a_host_that_comes_back_is_asked_soon_and_one_that_does_not_by_one_who_asks_in_between(asking: Asking) -> None:
    for uri in A[:2]:
        asking.ask(uri, SILENCE)
    asking.now_s += 9
    assert "just not answered" in asking.ask(A[2])
    asking.now_s += 1
    assert asking.ask(A[2], SILENCE) == str(SILENCE)
    assert "just not answered" in asking.ask(A[3])
    asking.now_s += 10
    assert asking.ask(A[2]) == asking.ask(A[3]) == "something"


def test_silence_of_long_ago_does_not_make_one_address_speak_for_the_others(asking: Asking) -> None:
    for uri in A[:2]:
        asking.ask(uri, SILENCE)
    asking.now_s += 3600
    asking.ask(A[2], SILENCE)
    assert asking.ask(A[3]) == "something"
