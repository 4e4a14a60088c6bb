"""Pushing content into the page cache before the kernel asks for it, where the kernel may not read far ahead by itself.

Raising the read-ahead of a mount takes root. Without it the kernel asks for 128 KiB at a time, and each request costs a way through
the event loop; pages that are there already cost none (seen here: 0.25 GB/s without, 0.6 GB/s with pushing, in the same minutes). A
file that is read from front to back is pushed in pieces of 1 MiB, in windows that double while reading goes on: as long as the
kernel finds its pages it asks for nothing, and its next question starts the next window.

Threads: `note` runs on the event loop and only looks and schedules. Pushing is done by threads of its own: the kernel makes a push
wait while it waits for a read of the same page. The one lock here is taken by pushes and by `stop`, never by a handler. The fields
of a stream are written by the loop or by its one job; the other sees the change at its next look, which is all that is needed.
References have threads of their own, of which one server gets no more than one: others go on when it does not answer.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import cast

import pyfuse3

from artfs.content.workers import Workers
from artfs.errors import ArtfsError
from artfs.references.protocol import Piece
from artfs.vfs.version_nodes import VersionFile

logger = logging.getLogger(__name__)

_PIECE = 1 << 20
_FIRST_WINDOW = 4 << 20
_LARGEST_WINDOW = 64 << 20
#: What the kernel has asked for already when we hear of the read before it.
_UNDER_WAY = 512 << 10
#: Reads in a row that make it a stream: 1 MiB at 128 KiB each.
_READS_IN_A_ROW = 4
#: The same of references, which cost somebody's network: more than the kernel asks for when a program reads 1 MiB.
_REFERENCE_READS_IN_A_ROW = 12
_MOST_STREAMS = 64
_THREADS = 2
_REFERENCE_THREADS = 8
_PATIENCE_S = 2.0


@dataclass(slots=True)
class _Stream:
    position: int
    reads: int = 1
    window: int = 0
    cursor: int = 0
    is_pushing: bool = False


class PagePusher:
    """Watches reads of version files. Does nothing before `start`."""

    def __init__(self) -> None:
        self._streams: OrderedDict[int, _Stream] = OrderedDict()
        self._threads: Workers | None = None
        self._reference_threads: Workers | None = None
        self._busy_origins: set[str] = set()
        self._storing = threading.Lock()

    def start(self) -> None:
        self._threads = Workers(_THREADS, "artfs-push")
        self._reference_threads = Workers(_REFERENCE_THREADS, "artfs-push-reference")

    def stop(self) -> None:
        """Push nothing more. What is being stored ends first: the session must not go away under it. Reading is not waited for."""
        threads, self._threads = self._threads, None
        if threads is not None and self._reference_threads is not None:
            threads.close(wait=False)
            self._reference_threads.close(wait=False)
            if self._storing.acquire(timeout=_PATIENCE_S):
                self._storing.release()

    def note(self, ino: int, node: VersionFile, offset: int, length: int) -> None:
        """The kernel has asked for a part of a file."""
        if self._threads is None or node.size <= _PIECE:
            return
        stream, end = self._streams.get(ino), offset + length
        if stream is None or not stream.position - _UNDER_WAY <= offset <= max(stream.position, stream.cursor) + _UNDER_WAY:
            self._streams[ino] = _Stream(end)
            self._streams.move_to_end(ino)
            if len(self._streams) > _MOST_STREAMS:
                self._streams.popitem(last=False)
            return
        stream.position = max(stream.position, end)
        stream.reads += 1
        enough = _READS_IN_A_ROW if node.origin is None else _REFERENCE_READS_IN_A_ROW
        if stream.reads >= enough and not stream.is_pushing and end + _UNDER_WAY < node.size:
            self._begin(ino, node, stream)

    def _begin(self, ino: int, node: VersionFile, stream: _Stream) -> None:
        origin = node.origin
        threads = self._threads if origin is None else self._reference_threads
        if threads is None or origin in self._busy_origins:
            return
        stream.window = min(max(2 * stream.window, _FIRST_WINDOW), _LARGEST_WINDOW)
        stream.is_pushing = True
        if origin is not None:
            self._busy_origins.add(origin)
        threads.submit(partial(self._push, ino, node, stream, origin))

    def _store(self, ino: int, offset: int, data: Piece) -> None:
        with self._storing:
            if self._threads is not None:
                pyfuse3.notify_store(ino, offset, cast("bytes", data))  # it takes any buffer

    def _push(self, ino: int, node: VersionFile, stream: _Stream, origin: str | None) -> None:
        try:
            size = node.size
            stream.cursor = max(stream.cursor, stream.position + _UNDER_WAY)
            stop = min(stream.cursor + stream.window, size)
            while stream.cursor < stop and self._threads is not None:
                if stream.cursor < stream.position:  # the reader was faster
                    stream.cursor = stream.position + _UNDER_WAY
                    continue
                data = node.read(stream.cursor, _PIECE)
                self._store(ino, stream.cursor, data)
                stream.cursor += len(data)
        except (ArtfsError, OSError) as error:
            # Whoever reads these bytes gets the error; a file that the kernel has forgotten meanwhile is none.
            logger.debug("could not push %s: %s", node.where, error)
        finally:
            stream.is_pushing = False
            self._busy_origins.discard(origin or "")
