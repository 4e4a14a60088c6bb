"""The bytes of a copy: chunks of one repository become chunks of another, in order, only those that it lacks.

Chunks are taken in the order in which they shall lie at the destination and dealt with in windows: a thread asks which of a window
are there already, and reads the others from the source, in as few large ranges as they lie in. Each is verified (I3) and passed on
as it is stored, so that nothing is compressed again. Windows are finished in order, in the caller's thread.

Memory is bounded by the windows under way, whatever the size of what is copied. One caller; an error ends the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

from typing_extensions import Buffer

from artfs.chunks.codec import missing
from artfs.chunks.pack_reads import PackReads
from artfs.content.chunk_sink import Prepared
from artfs.content.ingest import Ingest
from artfs.content.pipeline import Pipeline
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef
from artfs.repository.repository import Repository

#: Stored bytes of one window: a range request is at most so large.
WINDOW_SIZE = 4 << 20
#: Chunks of one window: what is asked of the registry at once.
_WINDOW_CHUNKS = 2048
#: Entries of one window, that need no chunks or only such as are known already.
_WINDOW_STEPS = 4096
#: Stored bytes of all windows under way.
_UNDER_WAY = 64 << 20
#: Threads that fill a slow link with requests; a local store needs no more than there are processors.
REMOTE_THREADS = 16


class CopyTotals:
    """How far a copy has come: bytes of files that are at the destination, and stored bytes that it did not have to send."""

    def __init__(self) -> None:
        self.bytes_found = 0
        self.bytes_done = 0


@dataclass(slots=True, eq=False)
class _Window:
    """Chunks that are looked up and read together."""

    #: In order: chunks and who gets their places, or what is to be done when all before is placed.
    steps: list[tuple[list[ChunkRef], Callable[[list[ChunkRef]], object]]] = field(default_factory=list)
    wanted: dict[Digest, ChunkRef] = field(default_factory=dict)
    #: Chunks that a window before this one, which is not finished yet, brings.
    borrowed: dict[Digest, _Window] = field(default_factory=dict)
    placed: dict[Digest, ChunkRef] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """What a window's thread came to: places at the destination, and chunks that are new there."""

    known: dict[Digest, ChunkRef]
    stored: dict[Digest, bytes]


class ChunkCopier:
    """Copies chunks from `source` into `ingest`, which is of another repository or entity."""

    def __init__(
        self, source: Repository, ingest: Ingest, executor: Executor, totals: CopyTotals, on_window: Callable[[], object]
    ) -> None:
        self._reads = PackReads(source.objects)
        self._relocate = source.registry.packs.relocate
        self._ingest = ingest
        self._pipeline = Pipeline(executor, _UNDER_WAY)
        self._totals = totals
        self._on_window = on_window
        self._window = _Window()
        self._bringing: dict[Digest, _Window] = {}

    def add(self, refs: Iterable[ChunkRef], deliver: Callable[[list[ChunkRef]], object]) -> None:
        """Copy the chunks of `source`; `deliver` is given their places at the destination, in order, in one or several calls."""
        batch: list[ChunkRef] = []
        for ref in refs:
            batch.append(ref)
            self._enter(ref)
            if self._window.size >= WINDOW_SIZE or len(self._window.wanted) >= _WINDOW_CHUNKS:
                self._window.steps.append((batch, deliver))
                self._submit()
                batch = []
        if batch:
            self._step(batch, deliver)

    def then(self, action: Callable[[], object]) -> None:
        """Do `action` when all chunks added before have been delivered."""
        self._step([], lambda _: action())

    def finish(self) -> None:
        """Returns when everything is delivered."""
        self._submit()
        self._pipeline.drain()

    def cancel(self) -> None:
        """Give up; waits for the threads that are at it."""
        self._pipeline.cancel()

    def _step(self, refs: list[ChunkRef], deliver: Callable[[list[ChunkRef]], object]) -> None:
        self._window.steps.append((refs, deliver))
        if len(self._window.steps) >= _WINDOW_STEPS:
            self._submit()

    def _enter(self, ref: ChunkRef) -> None:
        window = self._window
        if ref.digest in window.wanted or ref.digest in window.borrowed:
            return
        if ref.digest in self._bringing:
            # Asked for once more it might be read once more, as it is in no pack yet.
            window.borrowed[ref.digest] = self._bringing[ref.digest]
            return
        window.wanted[ref.digest] = ref
        window.size += ref.stored_size

    def _submit(self) -> None:
        window, self._window = self._window, _Window()
        if window.steps:
            self._bringing.update(dict.fromkeys(window.wanted, window))
            self._pipeline.submit(window.size, partial(self._read, window), partial(self._finish, window))

    def _read(self, window: _Window) -> _Read:
        known = self._ingest.find_chunks(list(window.wanted))
        stored: dict[Digest, bytes] = {}

        def keep(pieces: Sequence[tuple[ChunkRef, Buffer]]) -> None:
            stored.update((ref.digest, bytes(piece)) for ref, piece in pieces)

        lost = self._reads.read([ref for digest, ref in window.wanted.items() if digest not in known], keep).missing
        if lost:
            moved = self._relocate(lost)
            if unknown := [ref for ref in lost if ref.digest not in moved]:
                raise missing(unknown[0])
            if again := self._reads.read(moved.values(), keep).missing:
                raise missing(again[0])
        return _Read(known, stored)

    def _finish(self, window: _Window, read: _Read) -> None:
        found = list(read.known)
        new = [digest for digest in window.wanted if digest not in read.known]
        window.placed = read.known
        # Only now, in the order of the windows: what belongs together lies together.
        places = self._ingest.add_encoded(
            [Prepared(digest, window.wanted[digest].size, None, read.stored[digest]) for digest in new]
        )
        window.placed.update(zip(new, places, strict=True))
        for digest in window.wanted:
            del self._bringing[digest]
        for refs, deliver in window.steps:
            deliver([self._place(window, ref.digest) for ref in refs])
            self._totals.bytes_done += sum(ref.size for ref in refs)
        self._totals.bytes_found += sum(window.wanted[digest].stored_size for digest in found)
        self._on_window()

    @staticmethod
    def _place(window: _Window, digest: Digest) -> ChunkRef:
        return window.placed[digest] if digest in window.placed else window.borrowed[digest].placed[digest]
