"""Chunks out of packs: as few requests as possible, several at once where the store is far away, each chunk verified (I3).

Chunks that lie near each other in one pack are one request. Where `threads` are given, the requests of one call are made at the
same time: the caller makes the first itself, and every one that no thread has begun when its turn comes. So nobody ever waits for
what has not begun, and calls from within such a thread cannot wait for each other in a circle.

What came is verified and kept by few threads at a time: sixteen would take the interpreter from each other, and from those who
answer readers, thousands of times a second. Seen here on two processors: 1.2 s of CPU in the kernel for 1 GiB in place of 1.6 s.

Any thread. Knows no cache: what it has read it gives to `on_run`, in the thread that read it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from typing_extensions import Buffer

from artfs.chunks.codec import damaged, view_chunk
from artfs.chunks.shared_fetches import PATIENCE_S
from artfs.errors import IntegrityError, NotFound, StoreUnavailable
from artfs.fork_hook import watch_forks
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, PackId, pack_key
from artfs.objectstore.protocol import ObjectStore, Piece

T = TypeVar("T")
#: Told which chunks were read, as they are stored; the memory is only lent.
OnRun = Callable[[Sequence[tuple[ChunkRef, Buffer]]], object]

#: Bytes between two chunks that are read and thrown away rather than making two requests.
_MAX_GAP = 64 << 10
#: The part of a request to a remote store that may be thrown away: what comes over a network is paid for.
_WASTED_PART = 1 / 8
#: Most bytes of one request.
MAX_RUN = 8 << 20
#: The part of a request that must be plain bytes, so that views keep all of it in memory instead of copies.
_VIEWED_PART = 0.8
#: That this program may use, in a container fewer than there are; not those of the thread that asks, which a mount may keep on one.
_PROCESSORS = len(os.sched_getaffinity(0))
#: Requests of one process under way at once. Above what the threads of a mount make together.
_MOST_REQUESTS = 64


class RequestThreads(Protocol):
    """Threads that make requests: `content.workers.Workers`."""

    def submit(self, call: Callable[[], T], /) -> Future[T]:
        """Have `call` called soon."""
        ...

    def close(self, *, wait: bool) -> None:
        """End, once the calls under way have ended; wait for them if told to."""
        ...


class ReadChunks(NamedTuple):
    """What a read has brought: plain bytes, as views of what one request has brought where that is not much more, and the chunks
    whose packs are not there."""

    found: dict[Digest, Piece]
    missing: list[ChunkRef]


class PackReads:
    """Reads chunks from the packs in `objects`."""

    def __init__(self, objects: ObjectStore, threads: RequestThreads | None = None) -> None:
        self._objects = objects
        self._threads = threads if objects.is_remote else None
        self._wasted_part = _WASTED_PART if objects.is_remote else None
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """All turns are free: whoever had one in the parent is not here."""
        self._turns = threading.BoundedSemaphore(max(1, _PROCESSORS // 2))
        self._requests = threading.BoundedSemaphore(_MOST_REQUESTS)

    def read(self, refs: Iterable[ChunkRef], on_run: OnRun | None = None) -> ReadChunks:
        """The chunks. IntegrityError tells pack, offset and digest of one that is damaged."""
        runs = _runs(refs, self._wasted_part)
        read = ReadChunks({}, [])
        for part in self._read_runs(runs, on_run):
            read.found.update(part.found)
            read.missing.extend(part.missing)
        return read

    def close(self) -> None:
        """Let go of the threads. What is still read is read by its caller alone."""
        if self._threads is not None:
            self._threads.close(wait=False)
            self._threads = None

    def _read_runs(self, runs: list[list[ChunkRef]], on_run: OnRun | None) -> Iterable[ReadChunks]:
        threads = self._threads
        if threads is None or len(runs) < 2:
            return [self._read_run(run, on_run) for run in runs]
        others = [(run, threads.submit(partial(self._read_run, run, on_run))) for run in runs[1:]]
        try:
            parts = [self._read_run(runs[0], on_run)]
            for run, future in others:
                parts.append(self._read_run(run, on_run) if future.cancel() else future.result())
        finally:
            for _, future in others:
                future.cancel()
        return parts

    def _read_run(self, run: list[ChunkRef], on_run: OnRun | None) -> ReadChunks:
        first, last = run[0], run[-1]
        start = first.offset
        try:
            stored = memoryview(self._request(first.pack, start, last.offset + last.stored_size - start))
        except NotFound:
            return ReadChunks({}, run)
        except IntegrityError as error:
            if len(run) == 1:
                raise damaged(first, str(error)) from error
            read = ReadChunks({}, [])
            for ref in run:  # the pack ends early: say which chunk is the first that is cut off
                part = self._read_run([ref], on_run)
                read.found.update(part.found)
                read.missing.extend(part.missing)
            return read
        pieces = [(ref, stored[ref.offset - start : ref.offset - start + ref.stored_size]) for ref in run]
        with self._turn():
            found = _verified(pieces, len(stored))
            if on_run is not None:
                on_run(pieces)
        return ReadChunks(found, [])

    def _turn(self) -> AbstractContextManager[object]:
        return self._turns if self._objects.is_remote else nullcontext()

    def _request(self, pack: PackId, offset: int, length: int) -> Buffer:
        if not self._requests.acquire(timeout=PATIENCE_S):
            raise StoreUnavailable(f"{_MOST_REQUESTS} requests wait for the object store, which does not answer: try again later")
        try:
            return self._objects.read_range(pack_key(pack), offset, length)
        finally:
            self._requests.release()


def _verified(pieces: Sequence[tuple[ChunkRef, memoryview]], length: int) -> dict[Digest, Piece]:
    """The plain bytes of what a request of `length` bytes has brought."""
    found: dict[Digest, Piece] = {ref.digest: view_chunk(piece, ref) for ref, piece in pieces}
    raw = sum(ref.size for ref, _ in pieces if ref.stored_size == ref.size)
    if raw < _VIEWED_PART * length:
        found = {digest: bytes(piece) for digest, piece in found.items()}
    return found


def _place(ref: ChunkRef) -> tuple[PackId, int]:
    return ref.pack, ref.offset


def _runs(refs: Iterable[ChunkRef], wasted_part: float | None) -> list[list[ChunkRef]]:
    """The chunks grouped by what one request shall read, of which no more than `wasted_part` is for nothing, if that is given."""
    runs: list[list[ChunkRef]] = []
    pack: PackId | None = None
    start = end = gaps = 0
    for ref in sorted(refs, key=_place):
        stop = ref.offset + ref.stored_size
        gap = ref.offset - end
        is_wasteful = wasted_part is not None and gap > 0 and gaps + gap > wasted_part * (stop - start)
        if ref.pack == pack and 0 <= gap <= _MAX_GAP and stop - start <= MAX_RUN and not is_wasteful:
            runs[-1].append(ref)
            gaps += gap
        else:
            runs.append([ref])
            pack, start, gaps = ref.pack, ref.offset, 0
        end = stop
    return runs
