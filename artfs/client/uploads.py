"""Uploads: commits that go on while the script does.

Each run has one uploader, and each uploader one thread that works through what was submitted in order: log order is version order
within a run. The thread is a daemon, so that it never keeps a process alive by itself; `exit.py` waits for what is under way.

After a fork the thread exists only in the parent. The child gets an uploader of its own (see `Run`), and what the parent has under
way cannot be waited for there: `wait()` says so instead of hanging.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable

from artfs.errors import ArtfsError, TimedOut, UserError
from artfs.model.records import VersionRecord

logger = logging.getLogger(__name__)

Work = Callable[[], VersionRecord]


class Upload:
    """One version under way, or what became of it. Thread-safe."""

    def __init__(self, name: str) -> None:
        #: What is being logged, for messages.
        self.name = name
        self.error: BaseException | None = None
        #: True once somebody has waited for it; until then nobody knows of an error.
        self.told = False
        self._version: VersionRecord | None = None
        self._done = threading.Event()
        self._pid = os.getpid()

    @classmethod
    def failed(cls, name: str, error: BaseException) -> Upload:
        """One that has failed already, which somebody knows."""
        upload = cls(name)
        upload.error, upload.told = error, True
        upload._done.set()
        return upload

    @property
    def is_done(self) -> bool:
        return self._done.is_set()

    def wait(self, timeout_s: float | None = None) -> VersionRecord:
        """The version it became. Raises what made it fail, or TimedOut when it is not done within `timeout_s` seconds."""
        if not self.is_done and self._pid != os.getpid():
            raise UserError(f"{self.name} is being logged by the process that this one was forked from: wait for it there")
        if not self._done.wait(timeout_s):
            raise TimedOut(f"{self.name} was not logged within {timeout_s:g} s; it goes on in the background")
        self.told = True
        return self.outcome()

    def outcome(self) -> VersionRecord:
        """As `wait`, for work that needs this version: when that fails too, nobody has been told of this one."""
        self.wait_quietly()
        if self.error is not None:
            raise self.error
        if self._version is None:
            raise UserError(f"{self.name} was begun in another process")
        return self._version

    def wait_quietly(self) -> None:
        """Return when it is done, whatever became of it. Returns at once for an upload of another process."""
        if self._pid == os.getpid():
            self._done.wait()

    def work(self, work: Work) -> None:
        """Do the work, and keep what came of it for whoever waits."""
        try:
            self._version = work()
        except BaseException as error:  # raised again by wait(), in the thread that can act on it
            is_defect = isinstance(error, Exception) and not isinstance(error, ArtfsError)  # and worth its traceback
            level = logging.ERROR if is_defect else logging.INFO
            logger.log(level, "logging %s failed: %s", self.name, error, exc_info=level == logging.ERROR)
            self.error = error
        finally:
            self._done.set()


class Uploader:
    """Works through uploads one after the other, in a thread of its own. Thread-safe."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._queue: queue.SimpleQueue[tuple[Upload, Work] | None] = queue.SimpleQueue()
        self._uploads: list[Upload] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, name: str, work: Work) -> Upload:
        """Do `work` after all that was submitted before; returns at once."""
        upload = Upload(name)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="artfs-upload", daemon=True)
                self._thread.start()
            # Successes are of no further interest; failures stay until somebody was told.
            self._uploads = [other for other in self._uploads if not other.is_done or other.error is not None]
            self._uploads.append(upload)
            self._queue.put((upload, work))
        return upload

    def drain(self) -> None:
        """Return when all that was submitted so far is done, whatever became of it."""
        with self._lock:
            uploads = list(self._uploads)
        for upload in uploads:
            upload.wait_quietly()

    def untold_failures(self) -> list[Upload]:
        """The uploads that failed and whose error nobody has seen."""
        with self._lock:
            return [upload for upload in self._uploads if upload.error is not None and not upload.told]

    def close(self) -> None:
        """Let the thread end when it is through. Nothing may be submitted afterwards."""
        with self._lock:
            if self._thread is not None:
                self._queue.put(None)

    def _run(self) -> None:
        while item := self._queue.get():
            upload, work = item
            upload.work(work)
            del item, upload, work  # else the last artifact of a run would stay in memory for as long as the run
