"""Which chunks hold which bytes of a file.

Turns (content, offset, length) into chunk references, through the chunk lists of long files, of which the last ones used are kept
decoded. Does not read file data.

Thread-safe: the lock guards the two mappings; lists are read and decoded outside of it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from artfs.content.pages import ChunkReader
from artfs.errors import IntegrityError
from artfs.fork_hook import watch_forks
from artfs.model.chunk_list import decode_chunk_list
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Content

#: Chunk references kept decoded, at about 250 bytes each in memory: they map 4 GiB.
DEFAULT_CAPACITY = 64 * 1024
#: Contents whose ends are kept; they hold at most 1024 references each.
_KEPT_CONTENTS = 256


class Located(NamedTuple):
    """A chunk, and where in the file it begins."""

    ref: ChunkRef
    start: int


class _List(NamedTuple):
    refs: tuple[ChunkRef, ...]
    ends: list[int]


class ChunkMap:
    """Locates bytes in chunks."""

    def __init__(self, chunks: ChunkReader, capacity: int = DEFAULT_CAPACITY) -> None:
        self._chunks = chunks
        self._capacity = capacity
        self._lists: OrderedDict[Digest, _List] = OrderedDict()
        self._weight = 0
        # By identity: comparing two contents of a thousand references costs more than what this saves. The content is kept
        # beside its ends, so that its identity cannot be given to another meanwhile.
        self._ends: OrderedDict[int, tuple[Content, list[int]]] = OrderedDict()
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Take a new lock, as a thread of the parent may have held it."""
        self._lock = threading.Lock()

    def locate(self, content: Content, offset: int, length: int) -> list[Located]:
        """The chunks that hold the bytes from `offset` up to `offset + length`; fewer when the file ends before."""
        return list(self.iter_located(content, offset, offset + length))

    def iter_located(self, content: Content, start: int, stop: int) -> Iterator[Located]:
        """The same one by one, reading the lists of long files as they are needed."""
        if start >= stop or not content.refs:
            return
        ends = self._content_ends(content)
        for index in range(bisect_right(ends, start), len(ends)):
            begin = ends[index - 1] if index else 0
            if begin >= stop:
                return
            ref = content.refs[index]
            if not content.is_indirect:
                yield Located(ref, begin)
                continue
            inner = self._read_list(ref, content.spans[index])
            for position in range(bisect_right(inner.ends, start - begin), len(inner.refs)):
                inner_begin = begin + (inner.ends[position - 1] if position else 0)
                if inner_begin >= stop:
                    return
                yield Located(inner.refs[position], inner_begin)

    def _content_ends(self, content: Content) -> list[int]:
        with self._lock:
            found = self._ends.get(id(content))
            if found is not None:
                self._ends.move_to_end(id(content))
                return found[1]
        ends = list(accumulate(content.spans or (ref.size for ref in content.refs)))
        if len(ends) > 1:
            with self._lock:
                self._ends[id(content)] = content, ends
                while len(self._ends) > _KEPT_CONTENTS:
                    self._ends.popitem(last=False)
        return ends

    def _read_list(self, ref: ChunkRef, span: int) -> _List:
        with self._lock:
            found = self._lists.get(ref.digest)
            if found is not None:
                self._lists.move_to_end(ref.digest)
        if found is None:
            (data,) = self._chunks.read([ref])
            refs = decode_chunk_list(data)
            found = _List(refs, list(accumulate(chunk.size for chunk in refs)))
            self._keep(ref.digest, found)
        if not found.ends or found.ends[-1] != span:
            raise IntegrityError(f"the chunk list {ref.digest.hex()} covers other bytes of its file than the manifest says")
        return found

    def _keep(self, digest: Digest, found: _List) -> None:
        with self._lock:
            if digest in self._lists:
                return
            self._lists[digest] = found
            self._weight += len(found.refs)
            while self._weight > self._capacity and len(self._lists) > 1:
                self._weight -= len(self._lists.popitem(last=False)[1].refs)
