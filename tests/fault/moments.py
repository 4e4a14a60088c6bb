"""A moment of a commit that a test waits for, to do something to a server before the commit goes on."""

from __future__ import annotations

import threading

from tests.fault.crashing import Points

_PATIENCE_S = 60


class Moment(Points):
    """The first time that a point of this name is passed: whoever passes it waits there until `pass_on`.

    What is done to a server has to be done by the main thread (`tests/servers/program.py`), and commits have threads of their own.
    """

    def __init__(self, name: str) -> None:
        super().__init__(None, lambda _: None)
        self._name = name
        self._first = threading.Lock()
        self._reached = threading.Event()
        self._passes = threading.Event()

    def reach(self, name: str) -> None:
        super().reach(name)
        if name == self._name and self._first.acquire(blocking=False):
            self._reached.set()
            assert self._passes.wait(_PATIENCE_S), "nobody let the commit go on"

    def wait(self) -> None:
        """Until the moment is there."""
        assert self._reached.wait(_PATIENCE_S), f"the commit never came to {self._name!r}, only to {self.passed}"

    def pass_on(self) -> None:
        self._passes.set()
