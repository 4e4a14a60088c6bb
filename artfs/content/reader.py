"""The bytes of files and references: any range, in pieces, or copied to a file.

Every chunk is verified by the chunk store on its way (I3). Reading from front to back is noticed and read ahead (`prefetch`), and
so is, where the store is far away, reading one file after the other (`file_sequences`); `paces` says how far. References are read
by `reference_reader`; what has no bytes (directories, symlinks) is not read at all.

Thread-safe; there is no state per reader, so a range may be asked for in any order from any thread.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Protocol

from artfs.chunks.near import is_only_near
from artfs.content.chunk_map import ChunkMap, Located
from artfs.content.file_sequences import FileSequences, Following
from artfs.content.paces import NEAR, ReadingPaces
from artfs.content.prefetch import Prefetch
from artfs.content.reference_fetches import FetchCounts
from artfs.content.reference_reader import ReferenceReader
from artfs.content.workers import Workers
from artfs.errors import IntegrityError, InternalError, PackMissing, StoreFull
from artfs.model.entry import ChunkRef, Content, Entry, Kind
from artfs.references.protocol import Piece

#: Fewest buffers that `os.writev` must take on any POSIX system is 16; Linux takes 1024.
_MOST_BUFFERS = 512
#: More is not copied where nobody may wait.
_LONGEST_NOW = 128 << 10


class ChunkSource(Protocol):
    """The part of `chunks.store.ChunkStore` that reading files needs."""

    def read(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        """The verified bytes of the chunks, kept in memory for the next one who asks."""
        ...

    def read_pieces(self, refs: Sequence[ChunkRef]) -> list[Piece]:
        """The same, not copied."""
        ...

    def peek_pieces(self, refs: Sequence[ChunkRef]) -> list[Piece] | None:
        """The same if all of them are in memory, else None."""
        ...

    def read_once(self, refs: Sequence[ChunkRef]) -> list[Piece]:
        """The verified bytes of the chunks, past the memory."""
        ...


class ByteSink(Protocol):
    """What bytes can be copied to: a file open for writing, or whatever else takes them in order."""

    def write(self, data: Piece, /) -> object:
        """Take all of `data`."""
        ...


class ContentReader:
    """Reads file entries through a chunk store, and reference entries through `references`, if there is one."""

    def __init__(self, chunks: ChunkSource, references: ReferenceReader | None = None, paces: ReadingPaces = NEAR) -> None:
        self._chunks = chunks
        self._references = references
        self._paces = paces
        self._map = ChunkMap(chunks)
        self._prefetch = Prefetch(paces.within)
        self._sequences = None if paces.across is None else FileSequences(chunks.read_pieces, self._map, paces.across)
        self._copying = Workers(paces.copy_threads, "artfs-copy")

    def known_size(self, entry: Entry) -> int | None:
        """The size of a file or reference, None if nobody has asked for it yet: a reference may have none recorded. Never waits."""
        return entry.size if entry.kind is Kind.FILE else self._reference_reader(entry).known_size(entry)

    def size(self, entry: Entry, *, anew: bool = False) -> int:
        """The size of a file or reference; the home of a reference is asked, once, where the size was not recorded.

        With `anew` it is asked again: the content may be another one by now. Raises ReferenceChanged (it is gone), AccessDenied or
        ReferenceUnavailable as it answers.
        """
        return entry.size if entry.kind is Kind.FILE else self._reference_reader(entry).size(entry, anew=anew)

    def read_now(self, entry: Entry, offset: int, length: int) -> Piece | None:
        """What `read` would return, if it is in memory; None where it is not. Never waits for more than a short lock."""
        if entry.kind is Kind.REFERENCE:
            return self._reference_reader(entry).read_now(entry, offset, length)
        content = _content_of(entry)
        end = min(offset + length, entry.size)
        if offset >= end or length > _LONGEST_NOW or content.is_indirect:  # whose list may have to be fetched
            return None
        located = self._map.locate(content, offset, end - offset)
        chunks = self._chunks.peek_pieces([chunk.ref for chunk in located])
        if not chunks or located[-1].start + located[-1].ref.size < end:
            return None
        if self._sequences is not None and not self._sequences.note_known(entry, offset, end):
            return None  # which files follow may have to be asked for
        self._note(entry, content, offset, end)
        return _cut(located, chunks, offset, end)

    def read_piece(self, entry: Entry, offset: int, length: int, following: Following | None = None) -> Piece:
        """What `read` returns, not copied where that can be."""
        if entry.kind is Kind.REFERENCE:
            return self._reference_reader(entry).read(entry, offset, length)
        return self.read(entry, offset, length, following)

    def read(self, entry: Entry, offset: int, length: int, following: Following | None = None) -> bytes:
        """`length` bytes of the file from `offset` on; fewer only where the file ends.

        `following` gives the entries that come after this one in the manifest, for those who read one after the other.
        Of a reference also ReferenceChanged where its content is not what was recorded (I9), AccessDenied and ReferenceUnavailable.
        """
        if entry.kind is Kind.REFERENCE:
            return bytes(self._reference_reader(entry).read(entry, offset, length))
        content = _content_of(entry)
        end = min(offset + length, entry.size)
        if offset >= end:
            return b""
        sequences = None if is_only_near() else self._sequences
        if sequences is not None:  # before reading, so that what comes next is on its way meanwhile
            if following is not None:
                sequences.note(entry, offset, end, following)
            self._note(entry, content, offset, end)
        try:
            data = self._read_range(content, offset, end)
        except IntegrityError as error:
            raise _of_entry(entry, error) from error
        if sequences is None:
            self._note(entry, content, offset, end)
        return data

    def iter_bytes(self, entry: Entry, size: int = 1 << 20) -> Iterator[bytes]:
        """The whole file in pieces of about `size` bytes (of a reference: any), those to come being fetched meanwhile."""
        if entry.kind is Kind.REFERENCE:
            yield from map(bytes, self._reference_reader(entry).iter_bytes(entry))  # bytes are themselves, views are copied
            return
        for chunks in self._iter_pieces(entry, size):
            yield bytes(chunks[0]) if len(chunks) == 1 else b"".join(chunks)

    def copy_to(self, entry: Entry, file: int | ByteSink, *, is_scratch: bool = False) -> None:
        """Write the whole file to a descriptor, or to a file open for writing bytes, where it stands.

        `is_scratch` says that the file is thrown away when an error is raised. Then content of a reference may be written of which
        only its end tells whether it is right.
        """
        for chunks in self._iter_to_copy(entry, is_scratch=is_scratch):
            if isinstance(file, int):
                _write_all(file, chunks, entry)
            else:
                for chunk in chunks:
                    file.write(chunk)

    def close(self) -> None:
        """Stop reading ahead; reading stays possible. A store that is far away is not waited for."""
        if self._sequences is not None:
            self._sequences.close()
        self._prefetch.close(wait=self._sequences is None)
        self._copying.close(wait=False)
        if self._references is not None:
            self._references.close()

    def reference_counts(self) -> FetchCounts:
        """How many requests for content of references were made, and how many bytes have come."""
        return self._references.counts() if self._references is not None else FetchCounts(0, 0)

    def _reference_reader(self, entry: Entry) -> ReferenceReader:
        if self._references is None or entry.kind is not Kind.REFERENCE:
            raise InternalError(f"{entry.path!r} is a {entry.kind.name.lower()}: it has no bytes to read here")
        return self._references

    def _iter_to_copy(self, entry: Entry, *, is_scratch: bool) -> Iterator[Sequence[Piece]]:
        if entry.kind is not Kind.REFERENCE:
            return self._iter_pieces(entry, self._paces.piece)
        return ([piece] for piece in self._reference_reader(entry).iter_bytes(entry, is_scratch=is_scratch))

    def _note(self, entry: Entry, content: Content, offset: int, end: int) -> None:
        if len(content.refs) > 1 or content.is_indirect:
            self._prefetch.note(entry.digest, offset, end - offset, entry.size, partial(self._bring, content))

    def _bring(self, content: Content, start: int, count: int) -> None:
        self._chunks.read_pieces([located.ref for located in self._map.locate(content, start, count)])

    def _read_range(self, content: Content, offset: int, end: int) -> bytes:
        located = self._map.locate(content, offset, end - offset)
        chunks = self._chunks.read_pieces([chunk.ref for chunk in located])
        if not located or located[-1].start + located[-1].ref.size < end:
            raise IntegrityError("its chunks end before the file does")
        return _cut(located, chunks, offset, end)

    def _iter_pieces(self, entry: Entry, size: int) -> Iterator[list[Piece]]:
        content = _content_of(entry)
        groups = _group(self._map.iter_located(content, 0, entry.size), size)
        try:
            if entry.size <= size:
                for refs in groups:
                    yield self._chunks.read_once(refs)
                return
            yield from self._iter_ahead(groups)
        except IntegrityError as error:
            raise _of_entry(entry, error) from error

    def _iter_ahead(self, groups: Iterator[list[ChunkRef]]) -> Iterator[list[Piece]]:
        waiting: deque[Future[list[Piece]]] = deque()
        try:
            for refs in groups:
                waiting.append(self._copying.submit(partial(self._chunks.read_once, refs)))
                if len(waiting) > self._paces.pieces_ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _of_entry(entry: Entry, error: IntegrityError) -> IntegrityError:
    kind = PackMissing if isinstance(error, PackMissing) else IntegrityError
    return kind(f"cannot read {entry.path!r}: {error.message}")


def _content_of(entry: Entry) -> Content:
    if entry.kind is not Kind.FILE:
        raise InternalError(f"{entry.path!r} is a {entry.kind.name.lower()}: it has no bytes in the store")
    return entry.content


def _cut(located: Sequence[Located], chunks: Sequence[Piece], offset: int, end: int) -> bytes:
    """The bytes from `offset` up to `end` out of the chunks that hold them."""
    if len(chunks) == 1:
        return bytes(chunks[0][offset - located[0].start : end - located[0].start])
    # Views, so that nothing is copied twice.
    pieces = [*chunks]
    pieces[0] = memoryview(chunks[0])[offset - located[0].start :]
    pieces[-1] = memoryview(chunks[-1])[: end - located[-1].start]
    return b"".join(pieces)


def _group(located: Iterator[Located], size: int) -> Iterator[list[ChunkRef]]:
    """Neighbouring chunks of about `size` bytes together."""
    group: list[ChunkRef] = []
    total = 0
    for chunk in located:
        if group and (total + chunk.ref.size > size or len(group) >= _MOST_BUFFERS):
            yield group
            group, total = [], 0
        group.append(chunk.ref)
        total += chunk.ref.size
    if group:
        yield group


def _write_all(descriptor: int, chunks: Sequence[Piece], entry: Entry) -> None:
    total = sum(map(len, chunks))
    written = os.writev(descriptor, chunks)
    if written < total:  # a signal, or a disk that is about to be full: the next write will tell
        rest = memoryview(b"".join(chunks))[written:]
        while rest:
            count = os.write(descriptor, rest)
            if not count:
                raise StoreFull(f"no room to write {entry.path!r}: make room and try again")
            rest = rest[count:]
