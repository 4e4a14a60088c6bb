"""Manifests as they are read: path → entry of one version, page by page.

A manifest holds the references to its pages (120 bytes as stored, for 512 entries) and fetches a page when a path in it is asked
for, so a version of a million files opens at once. What changes a manifest is in `manifest_writer`.

A repack may move a manifest while somebody has it open: the same entries, other places. A `Manifest` whose pages are gone asks once
where its root lies now. As pages are cut by their paths alone, page i of the old root is page i of the new one.

Thread-safe: of a `Manifest` only the places change, all at once and under its lock; the page cache has its own lock, and the lock
of a store guards the list of manifests opened last.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from artfs.content.key_ranges import KeyRange, children, grandchildren, just, sort_key
from artfs.content.pages import DEFAULT_CAPACITY, ChunkReader, Page, PageCache
from artfs.errors import EntryNotFound, IntegrityError, PackMissing
from artfs.fork_hook import watch_forks
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Entry, Kind
from artfs.model.manifest_root import PageRef, version_digest

#: Where the root of the same manifest lies now; None when that is nowhere. Equal ones ask for the same.
FindRoot = Callable[[], ChunkRef | None]

#: Roots kept decoded: a mount looks at few versions at a time.
_OPEN_MANIFESTS = 16


class Manifest:
    """The entries of one version, sorted by (directory, name).

    `root` is where its root lies; `find_root` says where that is should the pages be gone.
    """

    def __init__(self, pages: Sequence[PageRef], root: ChunkRef, cache: PageCache, find_root: FindRoot | None = None) -> None:
        self.pages = tuple(pages)
        self.root = root
        self.size = sum(page.size for page in self.pages)
        self.file_count = sum(page.file_count for page in self.pages)
        self.digest: Digest = version_digest(page.canonical for page in self.pages)
        self._firsts = [page.first for page in self.pages]
        self._cache = cache
        self._find_root = find_root
        self._lock = threading.Lock()

    def get(self, path: str) -> Entry | None:
        """The entry at `path`, of whatever kind; None if there is none, and for the root."""
        if not path:
            return None
        key = sort_key(path)
        index = bisect_right(self._firsts, key) - 1
        if index < 0:
            return None
        page = self.read_page(index)
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
            for page in self._iter_pages(0, len(self.pages), keep=False):
                yield from page
            return
        entry = self.get(under)
        if entry is None:
            return
        yield entry
        if entry.kind is Kind.DIRECTORY:
            yield from self._iter_range(children(under), keep=False)
            yield from self._iter_range(grandchildren(under), keep=False)

    def iter_after(self, path: str) -> Iterator[Entry]:
        """The entries after `path` in order, reading one page after the other when it is needed, and keeping them."""
        key = sort_key(path)
        first = max(bisect_right(self._firsts, key) - 1, 0)
        for index in range(first, len(self.pages)):
            page = self.read_page(index)
            start = bisect_right(page, key, key=lambda entry: entry.sort_key) if index == first else 0
            for position in range(start, len(page)):
                yield page[position]

    def read_page(self, index: int) -> Page:
        """The entries of `pages[index]`."""
        pages = self.pages
        try:
            return self._cache.get(pages[index])
        except PackMissing as error:
            self._move(pages, error)
        return self._cache.get(self.pages[index])

    def _iter_range(self, keys: KeyRange, *, keep: bool) -> Iterator[Entry]:
        start, end = keys
        first = max(bisect_right(self._firsts, start) - 1, 0)
        last = bisect_left(self._firsts, end)
        # A listing will be asked for again entry by entry, so its pages are kept; a walk through everything is not.
        for page in self._iter_pages(first, last, keep=keep):
            low = bisect_left(page, start, key=lambda entry: entry.sort_key)
            high = bisect_left(page, end, lo=low, key=lambda entry: entry.sort_key)
            yield from page[low:high]

    def _iter_pages(self, first: int, last: int, *, keep: bool) -> Iterator[Page]:
        """The pages from `first` up to `last`, many with one request."""
        while first < last:
            pages = self.pages
            try:
                for page in self._cache.iter_pages(pages[first:last], keep=keep):
                    first += 1
                    yield page
            except PackMissing as error:
                self._move(pages, error)

    def look_again(self, path: str) -> Entry | None:
        """The entry at `path`, where it lies now: for one that was looked up before, and whose chunk lists are gone."""
        seen = self.pages
        with self._lock:
            if self.pages is seen:
                self._learn(seen)
        return self.get(path)

    def _move(self, seen: Sequence[PageRef], error: PackMissing) -> None:
        """Learn where the pages lie now, which were not where `seen` says. Raises `error` when nobody knows."""
        with self._lock:
            # Unless another thread has learned it.
            if self.pages is seen and not self._learn(seen):
                raise error

    def _learn(self, seen: Sequence[PageRef]) -> bool:
        """Ask where the root lies, the lock being held; False when it lies where it did, or nowhere."""
        root = None if self._find_root is None else self._find_root()
        if root is None or root == self.root:
            return False
        pages = self._cache.read_root(root)
        if [(page.first, page.canonical) for page in pages] != [(page.first, page.canonical) for page in seen]:
            raise IntegrityError("a manifest was moved, and what is there now has other content: run 'artfs verify'")
        self.pages, self.root = pages, root
        return True


class ManifestStore:
    """Opens manifests by the reference to their root, and keeps the last ones."""

    def __init__(self, chunks: ChunkReader, capacity: int = DEFAULT_CAPACITY) -> None:
        self._pages = PageCache(chunks, capacity)
        self._manifests: OrderedDict[tuple[ChunkRef, FindRoot | None], Manifest] = OrderedDict()
        self.begin_anew_in_child()
        watch_forks(self)

    def begin_anew_in_child(self) -> None:
        """Take a new lock, as a thread of the parent may have held it."""
        self._lock = threading.Lock()

    @property
    def pages(self) -> PageCache:
        return self._pages

    def open(self, root: ChunkRef, find_root: FindRoot | None = None) -> Manifest:
        """The manifest whose root lies at `root`, or did when that was looked up (see `Manifest`). Reads the root only."""
        # With `find_root`, as the same root may be that of several versions, of which one is deleted.
        key = (root, find_root)
        with self._lock:
            if key in self._manifests:
                self._manifests.move_to_end(key)
                return self._manifests[key]
        manifest = self._read(root, find_root)
        with self._lock:
            self._manifests[key] = manifest
            while len(self._manifests) > _OPEN_MANIFESTS:
                self._manifests.popitem(last=False)
        return manifest

    def _read(self, root: ChunkRef, find_root: FindRoot | None) -> Manifest:
        try:
            return Manifest(self._pages.read_root(root), root, self._pages, find_root)
        except PackMissing:
            now = None if find_root is None else find_root()
            if now is None or now == root:
                raise
        return Manifest(self._pages.read_root(now), now, self._pages, find_root)


def iter_ranges(manifest: Manifest, path: str) -> Iterator[KeyRange]:
    """The ranges of keys that hold `path` and all below it; only as many as it needs."""
    yield just(path)
    if manifest.is_directory(path):
        yield children(path)
        yield grandchildren(path)
