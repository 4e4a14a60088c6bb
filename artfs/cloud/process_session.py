"""What a process has open to a vendor: made when it is first needed, made anew in a forked child, as the connections that a child
inherits are its parent's too, and made anew where other credentials have been put in the place of those that are refused.

Any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from artfs.errors import AccessDenied, ArtfsError
from artfs.fork_hook import watch_forks

#: Looking for credentials may take a tenth of a second and requests: who is refused rightly does not do it each time.
_RENEWED_AGAIN_AFTER_S = 30.0
#: What forked children have inherited.
_sessions_of_parents: list[object] = []


class Session(Protocol):
    """What a session must be able to do here."""

    def login(self) -> object:
        """What tells its credentials from others."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


S = TypeVar("S", bound=Session)
T = TypeVar("T")


class ProcessSession(Generic[S]):
    """`open_session` is called once in a process, again after `close`, and again where it raised."""

    def __init__(self, open_session: Callable[[], S], now: Callable[[], float] = time.monotonic) -> None:
        self._open_session = open_session
        self._now = now
        self._session: S | None = None
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._renewed_s: float | None = None
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Keep the session of the parent, and never use or close it."""
        # Not let go of: its connections are the parent's, and a store of obstore that ends may wait for a lock that a thread of the
        # parent held.
        _sessions_of_parents.append(self._session)
        self._session, self._lock, self._renewing = None, threading.Lock(), threading.Lock()

    def get(self) -> S:
        """The session of this process."""
        session = self._session
        if session is None:
            with self._lock:
                session = self._session = self._session or self._open_session()
        return session

    def use(self, call: Callable[[S], T]) -> T:
        """What `call` makes of the session; made once more where that was refused and now other credentials are found.

        Credentials end while a process runs, and what hands out new ones writes them where boto3 looks only once.
        """
        session = self.get()
        try:
            return call(session)
        except AccessDenied:
            if not self._renew(session):
                raise
        return call(self.get())

    def _renew(self, refused: S) -> bool:
        """False if there are no other credentials. The old session is not closed: other threads may still ask by it."""
        # Held while they are looked for: all who are refused at once wait for one who looks.
        with self._renewing:
            if self._session is not refused:
                return True
            if self._renewed_s is not None and self._now() < self._renewed_s + _RENEWED_AGAIN_AFTER_S:
                return False
            self._renewed_s = self._now()
            try:
                found = self._open_session()
            except ArtfsError:
                return False  # the refusal says more
            if found.login() == refused.login():
                found.close()
                return False
            with self._lock:
                self._session = found
            return True

    def close(self) -> None:
        """Close what this process has opened."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()
