"""The end of the process: uploads are waited for, and one that failed makes the exit status nonzero.

A script that just ends has logged all the same. The waiting takes place where `threading` ends its own threads, before
`concurrent.futures` forbids new work: interpreter shutdown calls what was registered there in reverse order, so that
`concurrent.futures` must be imported, and with it registered, before this. Ordinary `atexit` callbacks come too late for that, but
are the place for the exit status, as those of others have then run.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, NoReturn

#: Ends what is open. Is told whether the script died of an exception or left with a failure; returns the sentences to tell, empty
#: when all went well.
CloseDown = Callable[[bool], list[str]]

FAILED = 1


class ExitWatch:
    """Calls `close_down` once when the process ends. Install it once per process; a forked child inherits it."""

    def __init__(self, close_down: CloseDown, tell: Callable[[str], None]) -> None:
        self._close_down = close_down
        self._tell = tell
        self._script_died = False
        self._failed = False

    def install(self) -> None:
        assert concurrent.futures.thread is not None  # noqa: S101  imported for its registration, see above
        with contextlib.suppress(RuntimeError):  # the process is ending already
            threading._register_atexit(self._at_threading_exit)  # type: ignore[attr-defined]  # noqa: SLF001
        atexit.register(self._at_exit)
        self._next_hook = sys.excepthook
        sys.excepthook = self._on_uncaught
        # No hook is told of SystemExit, and `sys.exit(main())` is how most scripts say that they failed.
        self._next_exit = sys.exit
        sys.exit = self._on_exit

    def _on_uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        # The prompt of an interactive interpreter comes here after every error, and goes on.
        self._script_died = not hasattr(sys, "ps1")
        self._next_hook(kind, error, trace)

    def _on_exit(self, status: Any = None, /) -> NoReturn:
        if threading.current_thread() is threading.main_thread():  # in another thread it ends that thread only
            self._script_died = bool(status) and not hasattr(sys, "ps1")
        self._next_exit(status)

    def _at_threading_exit(self) -> None:
        try:
            sentences = self._close_down(self._script_died)
        except BaseException as error:  # noqa: BLE001  Ctrl-C above all: nobody is left to raise to, and the status must tell
            sentences = [f"not all that was logged could be waited for: {type(error).__name__} {error}".rstrip()]
        for sentence in sentences:
            self._failed = True
            self._tell(sentence)
        if self._failed and _is_multiprocessing_child():
            self._leave()  # such a process ends without atexit callbacks

    def _at_exit(self) -> None:
        if self._failed:
            self._leave()

    @staticmethod
    def _leave() -> None:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(FAILED)


def _is_multiprocessing_child() -> bool:
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None
