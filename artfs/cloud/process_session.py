"""What a process has open to a vendor: made when it is first needed, and made anew in a forked child, as the connections that a
child inherits are its parent's too. Any thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What a session must be able to do here."""

    def close(self) -> None:
        """Let go of connections."""
        ...


S = TypeVar("S", bound=Closable)


class ProcessSession(Generic[S]):
    """`open_session` is called once in a process, again after `close`, and again where it raised."""

    def __init__(self, open_session: Callable[[], S]) -> None:
        self._open_session = open_session
        self._session: S | None = None
        self._lock = threading.Lock()
        self._process = os.getpid()

    def get(self) -> S:
        """The session of this process."""
        if self._process != os.getpid():
            # The lock too, as a thread of the parent may have held it. The process last: who finds it right finds the others right.
            self._session, self._lock = None, threading.Lock()
            self._process = os.getpid()
        session = self._session
        if session is None:
            with self._lock:
                session = self._session = self._session or self._open_session()
        return session

    def close(self) -> None:
        """Close what this process has opened."""
        if self._process != os.getpid():
            return
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()
