"""One run of files into an ingest: in order, in parallel, in bounded memory.

Files come with the stamp they had when they were found. Known ones (`memo`) cost no more than a look-up. Short ones are read, cut
and prepared by threads, many in one piece of work, so that ten thousand small files cost little Python. Long ones are read and cut
in the caller's thread, window by window, and their chunks prepared by threads. Everything is finished there, in order: chunks get
their places in manifest order, and buffers are free for the next files.

One `FileAdder` serves one call of `Ingest.add_files`, in that thread; several may be at work on one ingest.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple

from artfs.chunks.cutter import cut
from artfs.content.buffers import Buffers
from artfs.content.chunk_sink import ChunkSink, Prepared
from artfs.content.content_builder import ContentBuilder
from artfs.content.memo import Memo
from artfs.content.pipeline import Pipeline
from artfs.content.source import Source, changed, open_source
from artfs.content.stamp import Stamp
from artfs.content.walk import FoundFile
from artfs.errors import InternalError
from artfs.model.digest import Digest, Digester, digest_of
from artfs.model.entry import Content, Entry
from artfs.model.progress import OnFilesDone

#: Files up to this size are read in one go by a thread.
WHOLE_SIZE = 4 << 20
#: Longer ones are read so many bytes at a time.
WINDOW_SIZE = 8 << 20
#: Short files go to a thread when so many bytes or files have gathered.
BATCH_SIZE = 4 << 20
BATCH_FILES = 128
#: Bytes read and not yet placed.
IN_FLIGHT_SIZE = 32 << 20


class Waiting(NamedTuple):
    """A short file on its way to a thread; `position` is its place in the result."""

    position: int
    path: str
    place: str
    size: int


class ReadFile(NamedTuple):
    """A short file that was read: its chunks, not yet placed."""

    stamp: Stamp
    read_at_ns: int
    digest: Digest
    chunk_count: int


class FileAdder:
    """Adds files to `data`; long chunk lists go to `lists`."""

    def __init__(self, executor: Executor, data: ChunkSink, lists: ChunkSink, memo: Memo, on_progress: OnFilesDone | None) -> None:
        self._pipeline = Pipeline(executor, IN_FLIGHT_SIZE)
        self._data = data
        self._lists = lists
        self._memo = memo
        self._on_progress = on_progress
        self._entries: list[Entry | None] = []
        self._batch: list[Waiting] = []
        self._batch_size = 0
        self._buffers = Buffers(WINDOW_SIZE + (1 << 20))
        self._done_files = 0
        self._done_bytes = 0

    def run(self, files: Iterable[FoundFile]) -> list[Entry]:
        """Add file for file, and return their entries in the same order."""
        try:
            for file in files:
                self._add(*file)
            self._end_batch()
            self._pipeline.drain()
        except BaseException:
            self._pipeline.cancel()
            raise
        entries = [entry for entry in self._entries if entry is not None]
        if len(entries) != len(self._entries):
            raise InternalError(f"{len(self._entries) - len(entries)} files were added and never finished")
        return entries

    def _add(self, path: str, place: str, stamp: Stamp) -> None:
        position = len(self._entries)
        self._entries.append(None)
        known = self._memo.find(place, path, stamp)
        if known is not None:
            self._finish_file(position, path, stamp, *known)
        elif stamp.size <= WHOLE_SIZE:
            self._batch.append(Waiting(position, path, place, stamp.size))
            self._batch_size += stamp.size
            if self._batch_size >= BATCH_SIZE or len(self._batch) >= BATCH_FILES:
                self._end_batch()
        else:
            self._end_batch()
            self._add_long(position, path, place)

    def _end_batch(self) -> None:
        if self._batch:
            batch, size = self._batch, self._batch_size
            self._batch, self._batch_size = [], 0
            buffer = self._buffers.take(size + 1)
            # It counts for what it may come to hold, as it is used for windows too.
            self._pipeline.submit(
                max(size, BATCH_SIZE), partial(self._read_batch, batch, buffer), partial(self._finish_batch, batch, buffer)
            )

    def _read_batch(self, batch: list[Waiting], room: memoryview) -> tuple[list[ReadFile], list[Prepared]]:
        """In a thread: read the files, one behind the other into `room`, and prepare all their chunks together."""
        files: list[ReadFile] = []
        pieces: list[memoryview] = []
        for waiting in batch:
            read_at_ns = self._memo.read_time_ns()
            with open_source(waiting.place) as source:
                data = source.read_whole(room[: waiting.size + 1])  # there is no room for more than it had when the caller looked
            room = room[len(data) :]
            chunks = cut(data, final=True)
            pieces += chunks
            # The digest of a file of one chunk is the chunk's, and is not computed twice.
            digest = digest_of(data) if len(chunks) != 1 else Digest(b"")
            files.append(ReadFile(source.stamp, read_at_ns, digest, len(chunks)))
        return files, self._data.prepare(pieces)

    def _finish_batch(self, batch: list[Waiting], buffer: memoryview, result: tuple[list[ReadFile], list[Prepared]]) -> None:
        files, prepared = result
        refs = self._data.store(prepared)
        self._buffers.give_back(buffer)
        taken = 0
        for waiting, file in zip(batch, files, strict=True):
            content = Content(tuple(refs[taken : taken + file.chunk_count]))
            taken += file.chunk_count
            digest = content.refs[0].digest if file.chunk_count == 1 else file.digest
            self._memo.record(waiting.place, waiting.path, file.stamp, file.read_at_ns, (digest, content))
            self._finish_file(waiting.position, waiting.path, file.stamp, digest, content)

    def _add_long(self, position: int, path: str, place: str) -> None:
        builder = ContentBuilder(self._lists.put)
        digester = Digester()
        read_at_ns = self._memo.read_time_ns()
        with open_source(place) as source:
            self._read_windows(source, builder, digester)
            source.check_unchanged()
        stamp, digest = source.stamp, digester.digest()

        def finish(_: None) -> None:
            content = builder.finish()
            self._memo.record(place, path, stamp, read_at_ns, (digest, content))
            self._finish_file(position, path, stamp, digest, content)

        self._pipeline.then(finish)

    def _read_windows(self, source: Source, builder: ContentBuilder, digester: Digester) -> None:
        offset = 0
        rest = b""
        while offset < source.stamp.size:
            buffer = window = self._buffers.take(len(rest) + WINDOW_SIZE)
            window[: len(rest)] = rest
            wanted = min(WINDOW_SIZE, source.stamp.size - offset)
            got = source.read_into(window[len(rest) : len(rest) + wanted], offset)
            if got < wanted:
                raise changed(source.place)
            offset += got
            window = window[: len(rest) + got]
            digester.update(window[len(rest) :])
            pieces = cut(window, final=offset == source.stamp.size)
            rest = bytes(window[sum(map(len, pieces)) :])
            self._pipeline.submit(len(buffer), partial(self._data.prepare, pieces), partial(self._finish_window, builder, buffer))

    def _finish_window(self, builder: ContentBuilder, buffer: memoryview, prepared: list[Prepared]) -> None:
        builder.add(self._data.store(prepared))
        self._buffers.give_back(buffer)

    def _finish_file(self, position: int, path: str, stamp: Stamp, digest: Digest, content: Content) -> None:
        self._entries[position] = Entry(
            path, size=stamp.size, executable=stamp.executable, mtime_ns=stamp.mtime_ns, digest=digest, content=content
        )
        self._done_files += 1
        self._done_bytes += stamp.size
        if self._on_progress is not None:
            self._on_progress(self._done_files, self._done_bytes)
