"""Reads that have just failed, so that asking for the same page again does not wait a second time.

When a read of several pages fails, the kernel asks for the page that a program waits for once more, alone. A server that is stuck
would keep the program waiting for two deadlines, and each changed reference would be asked for twice. Programs that try again are
not answered from here: they begin with a read of several pages. Of a small file that is a page, too: that one is remembered when
somebody had to wait for its failure.

Runs on the event loop and never waits.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import trio

#: The kernel's second question comes within microseconds, behind whatever else the event loop has to do.
_REMEMBERED_S = 2.0
_PAGE = 4096
#: What took longer to fail is not waited for again.
_WAITED_S = 1.0
_MOST_FAILURES = 1024


@dataclass(frozen=True, slots=True)
class _Failure:
    stop: int
    until: float
    error: Exception


class FailedReads:
    """Failures by (handle, offset), each good for one answer."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[int, int], _Failure] = OrderedDict()

    def remember(self, handle: int, offset: int, length: int, error: Exception, waited_s: float = 0.0) -> None:
        """The read has failed, after so long."""
        if length <= _PAGE and waited_s < _WAITED_S:
            return
        self._failures[handle, offset] = _Failure(offset + length, trio.current_time() + _REMEMBERED_S, error)
        while len(self._failures) > _MOST_FAILURES:
            self._failures.popitem(last=False)

    def check(self, handle: int, offset: int, length: int) -> None:
        """Raise what kept the page from being read a moment ago."""
        if not self._failures or length > _PAGE:
            return
        now = trio.current_time()
        for key, failure in list(self._failures.items()):
            if failure.until < now:
                del self._failures[key]
            elif key[0] == handle and key[1] <= offset < failure.stop:
                del self._failures[key]
                raise failure.error
