"""Hosts that do not answer are left alone for a while: whoever asks for many references of one would wait for each anew.

A host is silent once it has not answered at two addresses, with no answer in between: one address at which it hangs does not speak
for the others. A refusal is an answer, and so is any status. As soon as a host answers again, all is forgotten, and so it is when
nobody has asked for a while.

Any thread. There is no lock, as a fork may leave one held for ever: each step is one operation on a dict, and whoever comes between
two of them asks once more than it had to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from artfs.errors import ReferenceUnavailable, TransientError
from artfs.references.uri import origin_of, shown_uri

V = TypeVar("V")

#: For so long nobody asks a silent host.
QUIET_S = 10.0
#: Who asks later than this after the last silence has not heard of it: it was perhaps the network of another day.
_REMEMBERED_S = 60.0
#: Hosts that are remembered.
_MOST = 4096


class _Silence(NamedTuple):
    """`uri` was asked for last in vain. A host `is_known` to be silent when it was not the only one."""

    uri: str
    since_s: float
    is_known: bool


class SilentHosts:
    """A silent host is asked again after `quiet_s`."""

    def __init__(self, quiet_s: float = QUIET_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet_s = quiet_s
        self._clock = clock
        self._silent: dict[str, _Silence] = {}
        self._answered_s: dict[str, float] = {}

    @contextmanager
    def asking(self, uri: str) -> Iterator[None]:
        """In the block the host of `uri` is asked for it. Raises ReferenceUnavailable in its place while the host is silent."""
        origin, begun_s = origin_of(uri), self._clock()
        silence = self._silent.get(origin)
        if silence is not None and silence.is_known and begun_s - silence.since_s < self._quiet_s:
            raise ReferenceUnavailable(
                f"{shown_uri(uri)} was not asked for, as {origin} has just not answered: check the network, and try again in"
                f" {self._quiet_s:g} s"
            )
        try:
            yield
        except TransientError as error:
            if not error.no_answer:
                self._answered(origin)
            elif self._answered_s.get(origin, begun_s) <= begun_s:
                earlier = self._silent.get(origin)
                is_recent = earlier is not None and begun_s - earlier.since_s < _REMEMBERED_S
                is_known = earlier is not None and is_recent and (earlier.is_known or earlier.uri != uri)
                _remember(self._silent, origin, _Silence(uri, self._clock(), is_known))
            raise
        except Exception:
            self._answered(origin)
            raise
        self._answered(origin)

    def _answered(self, origin: str) -> None:
        self._silent.pop(origin, None)
        _remember(self._answered_s, origin, self._clock())


def _remember(among: dict[str, V], origin: str, what: V) -> None:
    if len(among) >= _MOST:
        among.clear()  # so many hosts at once are rare, and forgetting costs one more request
    among[origin] = what
