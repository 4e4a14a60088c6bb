"""A walk through the manifests of all that verify looks at, past all caches: each root, and each page once, however many share it.

The roots of many versions are read with one call, and then what pages they have that were not seen before, in the order in which
these lie in packs. What lies side by side is one request, and a remote store is asked several at once: so requests are bounded by
the number of packs that hold manifests, not by versions times pages.

Memory: the roots and pages of one call, and a number for each distinct page. One walk runs in one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from artfs.errors import IntegrityError
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, pack_key
from artfs.model.manifest_root import PageRef, decode_root
from artfs.repository.survey import Holder, Survey

T = TypeVar("T")

#: Plain bytes that one call reads. It is held as a whole, and is a few requests of the largest size.
_READ_SIZE = 16 << 20
#: Roots of small versions that are read together.
_MOST_ROOTS = 256

#: Given the bytes of a page, or why there are none; says what is to be remembered of it, None where that is nothing.
Look = Callable[[PageRef, bytes | IntegrityError], T | None]


@dataclass(frozen=True, slots=True)
class WalkedManifest(Generic[T]):
    """The manifest of one version or contribution: its pages, or why they are not known; none when the pack of its root is missing.

    `findings` has what was remembered of pages, also of those of others.
    """

    holder: Holder
    pages: Sequence[PageRef] | IntegrityError
    findings: Mapping[PageRef, T]

    def found(self) -> Iterator[tuple[PageRef, T]]:
        """What was remembered of its own pages, in their order."""
        if self.findings and not isinstance(self.pages, IntegrityError):
            yield from ((page, self.findings[page]) for page in self.pages if page in self.findings)


def walk_manifests(survey: Survey, look: Look[T]) -> Iterator[WalkedManifest[T]]:
    """All manifests in the order of the holders. `look` is given each distinct page once, unless its pack is missing."""
    seen: set[int] = set()
    findings: dict[PageRef, T] = {}
    for holders in _groups(survey.holders):
        roots = _read_roots(survey, holders)
        # Pages are told apart by 64 bits, as there may be very many of them.
        fresh = {
            hash(page): page
            for root in roots.values()
            if not isinstance(root, IntegrityError)
            for page in root
            if hash(page) not in seen
        }
        seen.update(fresh)
        by_chunk: dict[ChunkRef, list[PageRef]] = {}
        for page in fresh.values():
            by_chunk.setdefault(page.chunk, []).append(page)
        for ref, data in read_each(survey, by_chunk):
            for page in by_chunk[ref]:
                found = look(page, data)
                if found is not None:
                    findings[page] = found
        for holder in holders:
            yield WalkedManifest(holder, roots[holder.manifest], findings)


def _groups(holders: Iterable[Holder]) -> Iterator[list[Holder]]:
    group: list[Holder] = []
    size = 0
    for holder in holders:
        if group and (len(group) == _MOST_ROOTS or size + holder.manifest.size > _READ_SIZE // 4):
            yield group
            group, size = [], 0
        group.append(holder)
        size += holder.manifest.size
    if group:
        yield group


def _read_roots(survey: Survey, holders: Sequence[Holder]) -> dict[ChunkRef, Sequence[PageRef] | IntegrityError]:
    roots: dict[ChunkRef, Sequence[PageRef] | IntegrityError] = {holder.manifest: () for holder in holders}
    for ref, data in read_each(survey, list(roots)):
        try:
            roots[ref] = data if isinstance(data, IntegrityError) else decode_root(data)
        except IntegrityError as error:
            roots[ref] = error
    return roots


def read_each(survey: Survey, refs: Iterable[ChunkRef]) -> Iterator[tuple[ChunkRef, bytes | IntegrityError]]:
    """The bytes of chunks, or what is wrong with them, in the order of their places; those whose packs are missing do not come."""
    there = (ref for ref in refs if pack_key(ref.pack) in survey.objects)
    for group in _reads(sorted(there, key=lambda ref: (ref.pack, ref.offset))):
        yield from zip(group, _read(survey, group), strict=True)


def _reads(refs: Iterable[ChunkRef]) -> Iterator[list[ChunkRef]]:
    """What is read with one call. No digest comes twice in it: the same chunk at another place is to be looked at there too."""
    group: dict[Digest, ChunkRef] = {}
    size = 0
    for ref in refs:
        if group and (size + ref.size > _READ_SIZE or ref.digest in group):
            yield list(group.values())
            group, size = {}, 0
        group[ref.digest] = ref
        size += ref.size
    if group:
        yield list(group.values())


def _read(survey: Survey, refs: list[ChunkRef]) -> list[bytes | IntegrityError]:
    """With one call where all are whole; else half by half, so that few damaged ones cost few requests."""
    try:
        return [*survey.repository.chunks.read_uncached(refs)]
    except IntegrityError as error:
        if len(refs) == 1:
            return [error]
    half = len(refs) // 2
    return _read(survey, refs[:half]) + _read(survey, refs[half:])
