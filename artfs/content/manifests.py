"""Manifests as they are read: path → entry of one version, page by page.

A manifest holds the references to its pages (about 300 bytes for 256 entries) and fetches a page when a path in it is asked for, so
a version of a million files opens at once. What changes a manifest is in `manifest_writer`.

Thread-safe: a `Manifest` never changes after it was made, the page cache has its own lock, and the lock here guards the list of
manifests opened last.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from artfs.content.key_ranges import KeyRange, children, grandchildren, just, sort_key
from artfs.content.pages import DEFAULT_CAPACITY, ChunkReader, Page, PageCache
from artfs.errors import EntryNotFound, InternalError
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Entry, Kind
from artfs.model.manifest_root import PageRef, decode_root, version_digest

#: Roots kept decoded: a mount looks at few versions at a time.
_OPEN_MANIFESTS = 16


class Manifest:
    """The entries of one version, sorted by (directory, name). `root` is None only for the manifest of no version."""

    def __init__(self, pages: Sequence[PageRef], root: ChunkRef | None, cache: PageCache) -> None:
        self.pages = tuple(pages)
        self.root = root
        self.size = sum(page.size for page in self.pages)
        self.file_count = sum(page.file_count for page in self.pages)
        self.digest: Digest = version_digest(page.canonical for page in self.pages)
        self._firsts = [page.first for page in self.pages]
        self._cache = cache

    def get(self, path: str) -> Entry | None:
        """The entry at `path`, of whatever kind; None if there is none, and for the root."""
        if not path:
            return None
        key = sort_key(path)
        index = bisect_right(self._firsts, key) - 1
        if index < 0:
            return None
        page = self._cache.get(self.pages[index])
        position = bisect_left(page, key, key=lambda entry: entry.sort_key)
        if position < len(page) and page[position].path == path:
            return page[position]
        return None

    def is_directory(self, path: str) -> bool:
        """True for the root, which is the empty path, and for every directory."""
        if not path:
            return True
        entry = self.get(path)
        return entry is not None and entry.kind is Kind.DIRECTORY

    def list(self, directory: str = "") -> list[Entry]:
        """What lies directly in `directory`, sorted by name. Raises EntryNotFound if it is no directory."""
        if not self.is_directory(directory):
            raise EntryNotFound(f"there is no directory {directory!r} in this version: list the directory above it to see what is")
        return [*self._iter_range(children(directory), keep=True)]

    def iter_entries(self, under: str = "") -> Iterator[Entry]:
        """All entries in order, directories among them.

        `under` is a directory, which comes first itself, or any other path, which comes alone; nothing comes when it is not there.
        """
        if not under:
            for page in self._cache.iter_pages(self.pages):
                yield from page
            return
        entry = self.get(under)
        if entry is None:
            return
        yield entry
        if entry.kind is Kind.DIRECTORY:
            yield from self._iter_range(children(under), keep=False)
            yield from self._iter_range(grandchildren(under), keep=False)

    def read_page(self, index: int) -> Page:
        """The entries of `pages[index]`."""
        return self._cache.get(self.pages[index])

    def _iter_range(self, keys: KeyRange, *, keep: bool) -> Iterator[Entry]:
        start, end = keys
        first = max(bisect_right(self._firsts, start) - 1, 0)
        last = bisect_left(self._firsts, end)
        refs = self.pages[first:last]
        # A listing will be asked for again entry by entry, so its pages are kept; a walk through everything is not.
        pages = (self._cache.get(ref) for ref in refs) if keep else self._cache.iter_pages(refs)
        for page in pages:
            low = bisect_left(page, start, key=lambda entry: entry.sort_key)
            high = bisect_left(page, end, lo=low, key=lambda entry: entry.sort_key)
            yield from page[low:high]


class ManifestStore:
    """Opens manifests by the reference to their root, and keeps the last ones."""

    def __init__(self, chunks: ChunkReader, capacity: int = DEFAULT_CAPACITY) -> None:
        self._chunks = chunks
        self._pages = PageCache(chunks, capacity)
        self._manifests: OrderedDict[ChunkRef, Manifest] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def pages(self) -> PageCache:
        return self._pages

    def open(self, root: ChunkRef) -> Manifest:
        """The manifest whose root lies at `root`. Reads the root only."""
        with self._lock:
            if root in self._manifests:
                self._manifests.move_to_end(root)
                return self._manifests[root]
        (data,) = self._chunks.read([root])
        manifest = Manifest(decode_root(data), root, self._pages)
        with self._lock:
            self._manifests[root] = manifest
            while len(self._manifests) > _OPEN_MANIFESTS:
                self._manifests.popitem(last=False)
        return manifest


class _NoChunks:
    def read(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        raise InternalError(f"the empty manifest was asked for {len(refs)} pages")


#: The manifest of nothing: what a first version is an edit of.
EMPTY_MANIFEST = Manifest((), None, PageCache(_NoChunks()))


def iter_ranges(manifest: Manifest, path: str) -> Iterator[KeyRange]:
    """The ranges of keys that hold `path` and all below it; only as many as it needs."""
    yield just(path)
    if manifest.is_directory(path):
        yield children(path)
        yield grandchildren(path)
