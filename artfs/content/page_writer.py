"""Stores the pages of a manifest that is being written, and its root.

Entries come one by one in manifest order; a page goes out as soon as it is complete, so memory does not grow with the manifest.
Pages of another manifest that are known to be the same are taken over by reference. Not thread-safe: one writer, one manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from artfs.errors import UserError
from artfs.model.chunk_list import encode_chunk_list
from artfs.model.digest import Digest
from artfs.model.entry import MAX_CHUNK_SIZE, ChunkRef, Content, Entry, PackId
from artfs.model.manifest_root import PageRef, describe_page, encode_root, needed_packs, version_digest
from artfs.model.page import encode_page, ends_page

#: A page over this size has its longest chunk lists moved out of it. A page of 512 files of one chunk is 35 KiB.
LARGEST_PAGE = 256 * 1024
#: Lists of fewer chunks stay: the reference that would take their place is no smaller.
_FEWEST_MOVED = 4

PutChunk = Callable[[bytes], ChunkRef]


@dataclass(frozen=True, slots=True)
class WrittenManifest:
    """A manifest that is stored: all that a version draft takes from it."""

    root: ChunkRef
    digest: Digest
    size: int
    file_count: int
    needed_packs: frozenset[PackId]


class PageWriter:
    """Collects entries into pages and stores them with `put_chunk`."""

    def __init__(self, put_chunk: PutChunk) -> None:
        self._put_chunk = put_chunk
        self._open: list[Entry] = []
        self._pages: list[PageRef] = []

    @property
    def is_between_pages(self) -> bool:
        """True if the next entry begins a page."""
        return not self._open

    def add(self, entry: Entry) -> None:
        """The next entry; it comes after all that were added or taken over before."""
        self._open.append(entry)
        if ends_page(entry.path):
            self._end_page()

    def reuse(self, page: PageRef) -> None:
        """Take over a whole page as it is stored already. Only between pages."""
        self._pages.append(page)

    def finish(self) -> WrittenManifest:
        """Store what is left and the root. Raises UserError for a version that is too large."""
        if self._open:
            self._end_page()
        root_data = encode_root(self._pages)
        if len(root_data) > MAX_CHUNK_SIZE:
            raise UserError(
                f"a version of {sum(page.entry_count for page in self._pages)} entries is too large: make several of it"
            )
        root = self._put_chunk(root_data)
        return WrittenManifest(
            root=root,
            digest=version_digest(page.canonical for page in self._pages),
            size=sum(page.size for page in self._pages),
            file_count=sum(page.file_count for page in self._pages),
            needed_packs=needed_packs(self._pages, root),
        )

    def _end_page(self) -> None:
        data = encode_page(self._open)
        if len(data) > LARGEST_PAGE:
            self._open = _move_lists_out(self._open, len(data) - LARGEST_PAGE, self._put_chunk)
            data = encode_page(self._open)
        if len(data) > MAX_CHUNK_SIZE:
            raise UserError(f"the paths near {self._open[0].path!r} are too long to be kept in one page: use shorter names")
        self._pages.append(describe_page(self._open, self._put_chunk(data)))
        self._open = []


def _move_lists_out(page: Sequence[Entry], excess: int, put_chunk: PutChunk) -> list[Entry]:
    """The page with the longest chunk lists stored as chunks of their own, until about `excess` bytes are saved.

    A page is rewritten when one entry in it changes; without this, one small file among files of 60 MiB would cost megabytes.
    Neither the order nor the version digest sees where a list lies. Entries moved once stay so: writing the page again changes
    nothing.
    """
    entries = list(page)
    by_length = sorted(range(len(entries)), key=lambda index: (-len(entries[index].content.refs), entries[index].path))
    for index in by_length:
        content = entries[index].content
        if excess <= 0 or len(content.refs) < _FEWEST_MOVED:
            break
        if content.is_indirect:
            continue
        data = encode_chunk_list(content.refs)
        moved = Content((put_chunk(data),), (entries[index].size,), tuple(sorted(content.needed_packs())))
        entries[index] = replace(entries[index], content=moved)
        excess -= len(data) - 80
    return entries
