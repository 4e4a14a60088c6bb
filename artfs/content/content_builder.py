"""Puts together what an entry says about its bytes, while the chunks of the file go by.

A file of many chunks gets its chunk references stored in lists of their own (`model.entry.Content`), cut by the chunks' digests:
memory is bounded whatever the file's size, and an insertion into a long file changes one list. One builder, one file, one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from artfs.model.chunk_list import encode_chunk_list
from artfs.model.entry import ChunkRef, Content, PackId

#: A file of more chunks has its references in lists: 64 MiB at the average size.
MAX_DIRECT = 1024
#: A list ends after a chunk whose digest ends in ten zero bits, or here.
LONGEST_LIST = 4096
_LIST_BITS_MASK = (1 << 10) - 1


def ends_list(ref: ChunkRef) -> bool:
    """True if a chunk list ends after this chunk."""
    return not int.from_bytes(ref.digest[-2:], "big") & _LIST_BITS_MASK


class ContentBuilder:
    """Takes the references of one file in order; `put_chunk` stores its lists, if there are any."""

    def __init__(self, put_chunk: Callable[[bytes], ChunkRef]) -> None:
        self._put_chunk = put_chunk
        self._refs: list[ChunkRef] = []
        self._is_long = False
        self._lists: list[ChunkRef] = []
        self._spans: list[int] = []
        self._packs: set[PackId] = set()

    def add(self, refs: Iterable[ChunkRef]) -> None:
        """The next chunks of the file."""
        for ref in refs:
            if self._is_long:
                self._add_to_list(ref)
                continue
            self._refs.append(ref)
            if len(self._refs) > MAX_DIRECT:
                self._is_long = True
                held, self._refs = self._refs, []
                for earlier in held:
                    self._add_to_list(earlier)

    def finish(self) -> Content:
        """What the entry says about its bytes."""
        if not self._is_long:
            return Content(tuple(self._refs))
        if self._refs:
            self._end_list()
        return Content(tuple(self._lists), tuple(self._spans), tuple(sorted(self._packs)))

    def _add_to_list(self, ref: ChunkRef) -> None:
        self._refs.append(ref)
        if ends_list(ref) or len(self._refs) >= LONGEST_LIST:
            self._end_list()

    def _end_list(self) -> None:
        self._lists.append(self._put_chunk(encode_chunk_list(self._refs)))
        self._spans.append(sum(ref.size for ref in self._refs))
        self._packs.update(ref.pack for ref in self._refs)
        self._refs = []
