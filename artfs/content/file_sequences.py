"""Read-ahead across files: finds out that files are begun in the order of the manifest, and has the next ones ready.

A sequence is where somebody reads: the files that are expected next, and how far ahead has been asked for, in bytes of the files
one after the other. Who begins one of the few files after the one before, and then again, goes through a directory: from then on
whole groups of files are asked for, which lie together in the packs, in windows that grow while reading goes on. Several readers
who share an order find the files of each other's sequences; each file is asked for by one of them. Who picks files here and there
pays for those alone: as he also picks some that lie near each other, a file only goes on with what was read just before it, and
where what was asked for is mostly passed by, the sequence ends.

Not a cache: bytes go where the given function puts them. Any thread. The lock guards all state but the iterator of a sequence,
which is only used by the one who has set `is_extending`: to go on in a manifest may take a request.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from artfs.content.chunk_map import ChunkMap
from artfs.content.prefetch import Pace
from artfs.content.workers import Workers
from artfs.errors import ArtfsError
from artfs.fork_hook import watch_forks
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Entry, Kind

logger = logging.getLogger(__name__)

#: Gives the entries after some entry, in the order of the manifest.
Following = Callable[[], Iterable[Entry]]

#: Entries after a file that was begun: one of the files among them has to be next, so that it counts as going on.
_EXPECTED = 6
#: How often it must have gone on before anything is asked for.
_GOES_ON = 3
#: How many times as large as the window before: each waits for what that has brought.
_GROWS = 4
#: A sequence in which none of the last files lies that were begun starts over: as many may be read side by side.
_RECENT = 64
#: Files remembered of all sequences together, behind and ahead; about 200 bytes each.
_MOST_FILES = 16 * 1024
#: Calls of `fetch` waiting or running; more than that are not asked for, whoever reads.
_MOST_STEPS = 32
#: So much may be passed by beyond as much as was read: readers who share an order are at different places of it.
_MAY_PASS = 1 << 20
_MOST_SEQUENCES = 64
#: A sequence in which nobody has read for so long does not count as one that has something ahead.
_IDLE_S = 10.0


@dataclass(slots=True, eq=False)
class _Sequence:
    """Bytes of the files one after the other: `position` is the furthest one that was read, `ahead` up to where was asked for.

    `used` counts the files that were begun, and `begun_at` is which of all files that were begun was its last.
    """

    entries: Iterator[Entry]
    position: int
    ahead: int
    used: int
    begun_at: int
    noted_s: float = 0.0
    goes_on: int = 0
    window: int = 0
    is_extending: bool = False


@dataclass(slots=True)
class _File:
    """Where a file lies in a sequence. `is_begun`: it was read from; `is_asked`: its bytes were asked for."""

    sequence: _Sequence
    start: int
    is_begun: bool = False
    is_asked: bool = False


class FileSequences:
    """Watches reads, and calls `fetch(chunks)` in threads of its own for the files that will be read next."""

    def __init__(self, fetch: Callable[[Sequence[ChunkRef]], object], chunk_map: ChunkMap, pace: Pace) -> None:
        self._fetch = fetch
        self._map = chunk_map
        self._pace = pace
        self._workers = Workers(pace.threads, "artfs-files-ahead")
        self._closed = False
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Nothing is asked for, and nobody reads yet: the steps under way are those of the parent."""
        self._files: OrderedDict[Digest, _File] = OrderedDict()
        #: Those for which something was asked.
        self._sequences: OrderedDict[int, _Sequence] = OrderedDict()
        self._steps = 0
        self._begun = 0
        self._lock = threading.Lock()

    def note(self, entry: Entry, offset: int, end: int, following: Following) -> None:
        """Tell of a read of the file `entry` from `offset` to `end`."""
        if not self.note_known(entry, offset, end) and offset == 0:
            self._begin(entry, end, iter(following()))

    def note_known(self, entry: Entry, offset: int, end: int) -> bool:
        """The same if the file is one of those that were expected, else false. Never waits for more than a short lock."""
        with self._lock:
            file = self._files.get(entry.digest)
            if file is not None:
                self._go_on(file, entry, offset, end)
            return file is not None

    def close(self) -> None:
        """Ask for nothing more. What was asked for is not waited for."""
        self._closed = True
        self._workers.close(wait=False)

    def _begin(self, entry: Entry, end: int, entries: Iterator[Entry]) -> None:
        """Somebody reads where nobody was expected."""
        try:
            expected = [each for each in islice(entries, _EXPECTED) if _has_bytes(each)]
        except ArtfsError as error:  # of a page that nobody has asked for
            logger.debug("the files after %s are not known: %s", entry.path, error)
            return
        with self._lock:
            self._begun += 1
            sequence = _Sequence(_chain(expected, entries), end, entry.size, entry.size, self._begun)
            self._files[entry.digest] = _File(sequence, 0, is_begun=True, is_asked=True)
            start = entry.size
            for each in expected:
                self._files.setdefault(each.digest, _File(sequence, start))
                start += each.size
            self._forget()

    def _go_on(self, file: _File, entry: Entry, offset: int, end: int) -> None:
        sequence = file.sequence
        if offset == 0 and not file.is_begun:
            file.is_begun = True
            self._begun += 1
            if self._begun - sequence.begun_at > _RECENT:
                sequence.goes_on = sequence.window = 0
            sequence.begun_at = self._begun
            sequence.goes_on += 1
            sequence.used += entry.size
        sequence.position = max(sequence.position, file.start + end)
        if sequence.goes_on < _GOES_ON or sequence.is_extending or self._closed:
            return
        if sequence.position - sequence.used > _MAY_PASS + sequence.used:
            return  # most of what was asked for is passed by
        window = sequence.window
        if sequence.ahead - sequence.position > max(window // 2, window - self._pace.batch):
            return
        sequence.window = min(max(_GROWS * window, self._pace.first), self._pace.largest)
        sequence.is_extending = True
        sequence.noted_s = time.monotonic()
        self._sequences[id(sequence)] = sequence
        self._sequences.move_to_end(id(sequence))
        if len(self._sequences) > _MOST_SEQUENCES:
            self._sequences.popitem(last=False)
        self._workers.submit(partial(self._extend, sequence))

    def _extend(self, sequence: _Sequence) -> None:
        try:
            group: list[ChunkRef] = []
            size = 0
            room = self._room(sequence)
            step = max(self._pace.least_step, min(sequence.window // self._pace.threads, self._pace.most_step))
            step = room // max(1, room // step)  # alike: no request for one file that is left over
            for entry in self._entries_ahead(sequence, sequence.ahead + room):
                refs = self._first_chunks(entry)
                group += refs
                size += sum(ref.stored_size for ref in refs)
                if size >= step:
                    self._submit(group)
                    group, size = [], 0
            if group:
                self._submit(group)
        except ArtfsError as error:
            # Whoever reads these files will get the same error.
            logger.debug("reading ahead across files failed: %s", error)
        finally:
            with self._lock:
                sequence.is_extending = False

    def _room(self, sequence: _Sequence) -> int:
        """How much to ask for now: up to where the window ends."""
        with self._lock:
            return min(sequence.position + sequence.window - sequence.ahead, self._budget_left(sequence))

    def _entries_ahead(self, sequence: _Sequence, end: int) -> Iterator[Entry]:
        """The files to ask for now, without those that another sequence has asked for."""
        while sequence.ahead < end and not self._closed and self._steps < _MOST_STEPS:
            entry = next(sequence.entries, None)
            if entry is None:
                return
            if _has_bytes(entry):
                with self._lock:
                    is_wanted = self._claim(sequence, entry)
                if is_wanted:
                    yield entry

    def _claim(self, sequence: _Sequence, entry: Entry) -> bool:
        """Make the file the next one of the sequence; false where its bytes have been asked for already."""
        file = self._files.get(entry.digest)
        if file is not None and file.is_asked:
            return False
        is_begun = file is not None and file.is_begun
        self._files[entry.digest] = _File(sequence, sequence.ahead, is_begun=is_begun, is_asked=True)
        self._forget()
        sequence.ahead += entry.size
        sequence.used += entry.size if is_begun else 0
        return not is_begun

    def _budget_left(self, sequence: _Sequence) -> int:
        recent_s = sequence.noted_s - _IDLE_S
        return self._pace.budget - sum(
            max(0, each.ahead - each.position) for each in self._sequences.values() if each.noted_s > recent_s
        )

    def _first_chunks(self, entry: Entry) -> list[ChunkRef]:
        """All chunks of a file, or the first of a long one: what comes after them is asked for as it is read."""
        if not entry.content.is_indirect and entry.size <= self._pace.most_step:
            return list(entry.content.refs)
        return [located.ref for located in self._map.locate(entry.content, 0, self._pace.most_step)]

    def _submit(self, refs: list[ChunkRef]) -> None:
        with self._lock:
            self._steps += 1
        self._workers.submit(partial(self._step, refs))

    def _step(self, refs: list[ChunkRef]) -> None:
        try:
            if not self._closed:
                self._fetch(refs)
        except ArtfsError as error:
            logger.debug("reading ahead across files failed: %s", error)
        finally:
            with self._lock:
                self._steps -= 1

    def _forget(self) -> None:
        while len(self._files) > _MOST_FILES:
            self._files.popitem(last=False)


def _has_bytes(entry: Entry) -> bool:
    return entry.kind is Kind.FILE and bool(entry.content.refs)


def _chain(first: Sequence[Entry], rest: Iterator[Entry]) -> Iterator[Entry]:
    yield from first
    yield from rest
