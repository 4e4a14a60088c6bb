"""Hearing of changes that others make: new and deleted versions, moved aliases, new collections.

PostgreSQL tells them within milliseconds, over a connection kept for that (LISTEN). It is asked for a sign of life every few
seconds, and made anew when it broke; what was missed meanwhile is unknown, so then everything counts as changed. In SQLite a
counter of the file tells without a lock that some process has committed; only then the collections are looked at.

Threads: each Listening has one of its own, which calls `on_change`; with SQLite, whoever asks `is_live` looks and calls it too, so
that nobody is answered from memory what another process has changed before he asked. `_telling` makes who asks wait until what was
found is told. A forked child does not listen.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select as polling
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sqlalchemy import Connection, select

from artfs.model.names import ArtifactName
from artfs.registry.announcements import CHANNEL, parse_announcement
from artfs.registry.database import Database, hurried
from artfs.registry.schema import collections, entities, projects

logger = logging.getLogger(__name__)

#: Told which artifact changed; None when it may have been any.
OnChange = Callable[[ArtifactName | None], None]

_POLL_S = 0.25
#: How often the server is asked whether it is still there, and how long it may take to say so.
_SIGN_OF_LIFE_S = 3.0
_ANSWER_S = 3.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0


class Ear(Protocol):
    """One connection to listen on. Broken once it has raised, which is whatever the driver raises."""

    #: True when `take` has every change that happened before it is called.
    hears_at_once: bool

    def wait(self) -> None:
        """Wait a while for a change."""
        ...

    def take(self) -> list[ArtifactName | None]:
        """What has changed since the last call. By one thread at a time, perhaps while another one waits."""
        ...

    def wake(self) -> None:
        """Let `wait` return now; may come after `close`."""
        ...

    def close(self) -> None: ...


class Changes:
    """The changes of one registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listen(self, on_change: OnChange) -> Listening:
        """Call `on_change` for every change from now on, and with None when changes may have been missed, until it is closed.

        `on_change` must not wait, and must not raise.
        """
        return Listening(self._open_ear, on_change)

    def _open_ear(self) -> Ear:
        with hurried(_ANSWER_S):
            connection = self._database.detach()
        if self._database.dialect == "postgresql":
            return _PostgresEar(connection)
        return _SqliteEar(self._database, connection)


class Listening:
    """Listens in a thread of its own until it is closed."""

    def __init__(self, open_ear: Callable[[], Ear], on_change: OnChange) -> None:
        self._open_ear = open_ear
        self._on_change = on_change
        self._stop = threading.Event()
        self._telling = threading.Lock()
        self._ear: Ear | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="artfs-changes", daemon=True)
        self._thread.start()

    @property
    def is_live(self) -> bool:
        """True while every change is told: with PostgreSQL a moment after it happened, with SQLite before this returns."""
        ear = self._ear
        if ear is None or self._process != os.getpid():
            return False
        if ear.hears_at_once:
            try:
                self._tell(ear)
            except Exception as error:  # noqa: BLE001 - of any driver: the thread finds the same and says it
                logger.debug("the registry cannot be looked at: %s", error)
                return False
        return True

    def close(self) -> None:
        """Listen no longer."""
        self._stop.set()
        ear = self._ear
        if self._process == os.getpid():
            if ear is not None:
                ear.wake()
            self._thread.join()

    def _work(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                ear = self._open_ear()
            except Exception as error:  # noqa: BLE001 - of any driver
                logger.debug("cannot listen to the registry: %s", error)
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            pause_s = _FIRST_PAUSE_S
            with self._telling:
                self._ear = ear
                self._on_change(None)  # what was missed before; nothing is missed from now on
            try:
                while not self._stop.is_set():
                    ear.wait()
                    self._tell(ear)
            except Exception as error:  # noqa: BLE001 - of any driver
                logger.info("the registry is not heard any more, trying again: %s", error)
            finally:
                self._ear = None
                with contextlib.suppress(Exception), self._telling:
                    ear.close()

    def _tell(self, ear: Ear) -> None:
        with self._telling:
            for artifact in ear.take():
                self._on_change(artifact)


class _PostgresEar:
    """LISTEN on a connection of psycopg."""

    hears_at_once = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._heard: list[str] = []
        self._waking = threading.Lock()
        self._ends: tuple[int, int] | None = os.pipe()
        try:
            connection.rollback()
            connection.autocommit = True
            # Those that come with the answer to a statement; others are taken from the connection below.
            connection.add_notify_handler(lambda notify: self._heard.append(notify.payload))
            self._execute(f"LISTEN {CHANNEL}")
        except BaseException:
            self.close()
            raise

    def _execute(self, statement: str) -> None:
        with hurried(_ANSWER_S):
            self._connection.execute(statement)

    def wait(self) -> None:
        poll = polling.poll()
        poll.register(self._connection.fileno(), polling.POLLIN)
        if self._ends is not None:
            poll.register(self._ends[0], polling.POLLIN)
        if not self._heard and not poll.poll(_SIGN_OF_LIFE_S * 1000):
            self._execute("SELECT 1")

    def take(self) -> list[ArtifactName | None]:
        pgconn = self._connection.pgconn
        pgconn.consume_input()  # raises when the server has closed the connection
        while notify := pgconn.notifies():
            self._heard.append(notify.extra.decode(errors="replace"))
        heard, self._heard = self._heard, []
        return [parse_announcement(text) for text in dict.fromkeys(heard)]

    def wake(self) -> None:
        with self._waking:
            if self._ends is not None:
                os.write(self._ends[1], b"!")

    def close(self) -> None:
        self._connection.close()
        with self._waking:
            ends, self._ends = self._ends, None
        for end in ends or ():
            os.close(end)


class _SqliteEar:
    """`PRAGMA data_version` of a connection of its own: another number when another connection has committed."""

    hears_at_once = True

    def __init__(self, database: Database, connection: Any) -> None:
        self._database = database
        self._connection = connection
        self._woken = threading.Event()
        self._version = self._look()
        self._counts = database.read(_counts)

    def wait(self) -> None:
        self._woken.wait(_POLL_S)

    def take(self) -> list[ArtifactName | None]:
        version = self._look()
        if version == self._version:
            return []
        counts = self._database.read(_counts)
        changed = [artifact for artifact, count in counts.items() if self._counts.get(artifact) != count]
        self._version, self._counts = version, counts
        return list(changed)

    def _look(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        self._connection.close()


def _counts(connection: Connection) -> Mapping[ArtifactName, int]:
    query = select(entities.c.name, projects.c.name, collections.c.name, collections.c.changes)
    rows = connection.execute(query.select_from(collections.join(projects).join(entities)))
    return {ArtifactName(entity, project, name): count for entity, project, name, count in rows}
