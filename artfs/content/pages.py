"""The decoded pages of manifests that were used last.

One cache serves all manifests of a process, and a page is known by its digest: versions that differ in one file share all their
other pages here as well. Its bound counts entries and chunk references, as a page of long files is much larger than one of short
ones. It does not keep the encoded bytes; those are the chunk store's.

Thread-safe: the lock guards the mapping only, pages are read and decoded outside of it. Two threads that miss the same page decode
it twice, which costs time and harms nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Protocol

from artfs.errors import IntegrityError
from artfs.fork_hook import watch_forks
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Entry
from artfs.model.manifest_root import PageRef, decode_root
from artfs.model.page import decode_page

Page = tuple[Entry, ...]

#: About 250 bytes each in memory: 32 MiB.
DEFAULT_CAPACITY = 128 * 1024
#: How much of a manifest is asked for at once: its pages lie one behind the other, so this is one request. It bounds what a listing
#: or a walk holds beside the decoded pages.
_GROUP_SIZE = 4 << 20
#: A walk through everything asks for fewer pages first, as its caller may stop soon.
_FIRST_GROUP_SIZE = 512 << 10


class ChunkReader(Protocol):
    """The part of `chunks.store.ChunkStore` that reading manifests needs."""

    def read(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        """The verified bytes of the chunks, in order (I3)."""
        ...


class PageCache:
    """Reads pages through a chunk store and keeps the last ones decoded."""

    def __init__(self, chunks: ChunkReader, capacity: int = DEFAULT_CAPACITY) -> None:
        self._chunks = chunks
        self._capacity = capacity
        self._pages: OrderedDict[Digest, tuple[Page, int]] = OrderedDict()
        self._weight = 0
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Take a new lock, as a thread of the parent may have held it."""
        self._lock = threading.Lock()

    @property
    def weight(self) -> int:
        """Entries and chunk references held now."""
        return self._weight

    def read_root(self, root: ChunkRef) -> tuple[PageRef, ...]:
        """The pages that the root of a manifest names. Not kept here: few roots are open, and by those who use them."""
        (data,) = self._chunks.read([root])
        return decode_root(data)

    def get(self, ref: PageRef) -> Page:
        """The entries of one page."""
        page = self._find(ref)
        if page is None:
            (data,) = self._chunks.read([ref.chunk])
            page = _decode(ref, data)
            self._keep(ref, page)
        return page

    def iter_pages(self, refs: Sequence[PageRef], *, keep: bool = False) -> Iterator[Page]:
        """Many pages in order, read group by group.

        With `keep` they are kept, as those of a listing are asked for again entry by entry. Without, those that are not held are
        not kept either: a walk through a large version must not push out what is in use.
        """
        limit = _GROUP_SIZE if keep else _FIRST_GROUP_SIZE
        for group in _groups(refs, limit):
            found = [self._find(ref) for ref in group]
            missing = [ref for ref, page in zip(group, found, strict=True) if page is None]
            read = iter(self._chunks.read([ref.chunk for ref in missing]) if missing else ())
            for ref, held in zip(group, found, strict=True):
                page = held
                if page is None:
                    page = _decode(ref, next(read))
                    if keep:
                        self._keep(ref, page)
                yield page

    def _find(self, ref: PageRef) -> Page | None:
        with self._lock:
            found = self._pages.get(ref.chunk.digest)
            if found is None:
                return None
            self._pages.move_to_end(ref.chunk.digest)
            return found[0]

    def _keep(self, ref: PageRef, page: Page) -> None:
        weight = len(page) + sum(len(entry.content.refs) for entry in page)
        with self._lock:
            if ref.chunk.digest in self._pages:
                return
            self._pages[ref.chunk.digest] = (page, weight)
            self._weight += weight
            # The newest one stays even when it alone is over the bound: its reader holds it in any case.
            while self._weight > self._capacity and len(self._pages) > 1:
                self._weight -= self._pages.popitem(last=False)[1][1]


def _groups(refs: Sequence[PageRef], limit: int) -> Iterator[list[PageRef]]:
    """The pages in groups of up to `limit` plain bytes, later ones larger; one page at least."""
    group: list[PageRef] = []
    size = 0
    for ref in refs:
        if group and size + ref.chunk.size > limit:
            yield group
            group, size, limit = [], 0, _GROUP_SIZE
        group.append(ref)
        size += ref.chunk.size
    if group:
        yield group


def _decode(ref: PageRef, data: bytes) -> Page:
    page = tuple(decode_page(data))
    if len(page) != ref.entry_count or not page or page[0].sort_key != ref.first:
        raise IntegrityError(f"the manifest page that begins at {'/'.join(ref.first)!r} holds other entries than its root says")
    return page
