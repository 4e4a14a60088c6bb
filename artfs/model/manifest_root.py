"""The root of a manifest: where its pages lie and what each begins with.

    root         msgpack [format 1, packs, pages]
    packs        bytes: table of pack ids, sorted
    pages        [[first directory, first name, entries, files, bytes in files, canonical digest,
                   chunk list of one reference, pack indices], …]

The root is stored as a chunk; the version's row says where. The packs of a page are listed here so that what a version needs is
known without reading a page (I4), and a commit that changes one page need not read the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgpack

from artfs.errors import IntegrityError
from artfs.model.chunk_list import decode_chunk_refs, decode_packs, encode_chunk_refs
from artfs.model.digest import DIGEST_SIZE, Digest, Digester
from artfs.model.entry import ChunkRef, Entry, Kind, PackId
from artfs.model.page import canonical_digest, packs_of_page
from artfs.model.unpack import checked_count, unpack

FORMAT = 1


@dataclass(frozen=True, slots=True)
class PageRef:
    """One page: the sort key of its first entry, what it counts, and where it lies."""

    first: tuple[str, str]
    entry_count: int
    file_count: int
    size: int
    canonical: Digest
    chunk: ChunkRef
    packs: tuple[PackId, ...]


def describe_page(page: Sequence[Entry], chunk: ChunkRef) -> PageRef:
    """The reference to `page`, which is stored as `chunk`."""
    files = [entry for entry in page if entry.kind in (Kind.FILE, Kind.REFERENCE)]
    return PageRef(
        first=page[0].sort_key,
        entry_count=len(page),
        file_count=len(files),
        size=sum(entry.size for entry in files),
        canonical=canonical_digest(page),
        chunk=chunk,
        packs=tuple(packs_of_page(page)),
    )


def version_digest(canonicals: Iterable[Digest]) -> Digest:
    """The digest of a version, from the canonical digests of its pages in order: BLAKE3 of them all, one after the other.

    Equal content gives equal digests on any machine, as pages are cut by their paths alone; and a commit that changed one page of
    a thousand has to digest only that one.
    """
    digester = Digester()
    for canonical in canonicals:
        digester.update(canonical)
    return digester.digest()


def needed_packs(pages: Iterable[PageRef], root: ChunkRef) -> frozenset[PackId]:
    """All packs that a version with these pages and this root needs."""
    needed = {root.pack}
    for page in pages:
        needed.add(page.chunk.pack)
        needed.update(page.packs)
    return frozenset(needed)


def encode_root(pages: Sequence[PageRef]) -> bytes:
    """The root of a manifest that has these pages, which are in order."""
    packs = sorted({page.chunk.pack for page in pages}.union(*(page.packs for page in pages)))
    indices = {pack: index for index, pack in enumerate(packs)}
    rows = [
        [
            *page.first,
            page.entry_count,
            page.file_count,
            page.size,
            page.canonical,
            encode_chunk_refs([page.chunk], indices),
            [indices[pack] for pack in page.packs],
        ]
        for page in pages
    ]
    encoded: bytes = msgpack.packb([FORMAT, b"".join(packs), rows])
    return encoded


def decode_root(data: bytes) -> tuple[PageRef, ...]:
    """The pages of an encoded root. Raises IntegrityError on anything that is not a root, whatever the bytes."""
    try:
        version, table, rows = unpack(data)
        if version != FORMAT:
            raise IntegrityError(f"a manifest has format {version!r}; this artfs reads format {FORMAT}")
        if type(rows) is not list:
            raise IntegrityError("a manifest has no list of pages")
        packs = decode_packs(table)
        pages = tuple(_decode_page_ref(row, packs) for row in rows)
        if any(one.first >= two.first for one, two in pairwise(pages)):
            raise IntegrityError("the pages of a manifest are not in order")
    except IntegrityError:
        raise
    except Exception as error:  # hostile bytes can break msgpack and the unpacking of its lists in many ways
        raise IntegrityError(f"not the root of a manifest: {error}") from error
    return pages


def _decode_page_ref(row: Sequence[Any], packs: Sequence[PackId]) -> PageRef:
    directory, name, entry_count, file_count, size, canonical, chunk, indices = row
    if not (isinstance(directory, str) and isinstance(name, str) and name):
        raise IntegrityError("a page of a manifest begins with no name")
    if not (isinstance(canonical, bytes) and len(canonical) == DIGEST_SIZE):
        raise IntegrityError("a page of a manifest has no canonical digest")
    if not checked_count(file_count) <= checked_count(entry_count):
        raise IntegrityError("a page of a manifest has more files than entries")
    (ref,) = decode_chunk_refs(chunk, packs)
    needed = tuple(packs[checked_count(index)] for index in indices)
    return PageRef((directory, name), entry_count, file_count, checked_count(size), Digest(canonical), ref, needed)
