"""What this process has open: repositories, and the runs that are going on.

Repositories are opened at first need and kept, one for each registry and object store. A run belongs to the thread that began it:
for `artfs.run` and the calls without a run, a thread's own run comes first, then the main thread's, then the last begun. So a
script sees one current run, as it expects, and threads that each begin a run do not end each other's.

At the end of the process `close_down` finishes what is going on. After a fork the child starts without repositories, as connections
and threads stay with the parent; runs are inherited, but finished by the process that began them only. Thread-safe.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from dataclasses import replace
from typing import Protocol

from artfs.client.exit import ExitWatch
from artfs.client.notices import notice
from artfs.config import Config, load_config
from artfs.content.ingest import Ingest
from artfs.errors import ArtfsError
from artfs.repository.commit import begin_ingest
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository


class GoingOn(Protocol):
    """What the session needs of a run."""

    def close_down(self, *, failed: bool) -> list[str]:
        """End the run as the process ends; returns the sentences to tell about uploads that failed."""


class Session:
    """What is open in this process."""

    def __init__(self) -> None:
        self._watch: ExitWatch | None = None
        #: Thread, run and the settings that the run was begun with.
        self._runs: list[tuple[int, GoingOn, Config]] = []
        self._forget()

    def _forget(self) -> None:
        """Start afresh, in a forked child too: locks may be held by threads that are not there."""
        self._lock = threading.Lock()
        self._repositories: dict[Config, Repository] = {}
        self._ingests: weakref.WeakSet[Ingest] = weakref.WeakSet()

    def after_fork_in_child(self) -> None:
        # The parent's repositories must be neither used nor closed here, not even by the garbage collector.
        _inherited.append(self._repositories)
        self._forget()

    def repository(self, config: Config) -> Repository:
        """The repository that `config` names, opened if it is not open."""
        key = replace(config, entity="-", project="-", run_id=None)
        with self._lock:
            repository = self._repositories.get(key)
            if repository is None:
                self._watch_exit()
                repository = self._repositories[key] = open_repository(config)
            return repository

    def begin_ingest(self, config: Config) -> Ingest:
        """Start to take in content for the entity of `config`."""
        ingest = begin_ingest(self.repository(config), config.entity)
        ingest.is_read_again = True  # by `taking_in_again`
        with self._lock:
            self._ingests.add(ingest)
        return ingest

    def begin(self, run: GoingOn, config: Config) -> None:
        with self._lock:
            self._watch_exit()
            self._runs.append((threading.get_ident(), run, config))

    def end(self, run: GoingOn) -> None:
        with self._lock:
            self._runs = [other for other in self._runs if other[1] is not run]

    def own_run(self) -> GoingOn | None:
        """The run that this thread began last and that still goes on."""
        return next((run for thread, run, _ in reversed(self._runs) if thread == threading.get_ident()), None)

    def current_run(self) -> GoingOn | None:
        """The run that calls without a run mean."""
        current = self._current()
        return current[1] if current else None

    def current_config(self) -> Config:
        """The settings of the current run, or those in force where there is none."""
        current = self._current()
        return current[2] if current else load_config()

    def _current(self) -> tuple[int, GoingOn, Config] | None:
        runs = list(reversed(self._runs))
        for thread in (threading.get_ident(), threading.main_thread().ident):
            for candidate in runs:
                if candidate[0] == thread:
                    return candidate
        return runs[0] if runs else None

    def _watch_exit(self) -> None:
        if self._watch is None:
            self._watch = ExitWatch(self.close_down, notice)
            self._watch.install()

    def close_down(self, script_died: bool = False) -> list[str]:
        """Finish all runs and close all repositories; returns what went wrong, a sentence each. May be used afterwards again."""
        sentences: list[str] = []
        for _, run, _ in list(self._runs):
            sentences += run.close_down(failed=script_died)
        with self._lock:
            self._runs = []
            repositories, ingests = list(self._repositories.values()), list(self._ingests)
            self._repositories, self._ingests = {}, weakref.WeakSet()
        for ingest in ingests:  # artifacts that were built and never logged: what they stored is of no use to anybody
            with contextlib.suppress(ArtfsError):
                ingest.abort()
        for repository in repositories:
            with contextlib.suppress(ArtfsError):
                repository.close()
        return sentences


_inherited: list[dict[Config, Repository]] = []
SESSION = Session()
os.register_at_fork(after_in_child=SESSION.after_fork_in_child)
