"""Manifest pages: the entries of a version, cut into pieces that can be read, replaced and shared one by one.

The entries of a version are sorted by (directory, name). A page ends after every entry whose path has a digest that ends in nine
zero bits, so about every 512 entries. Where a page ends depends on nothing but that one path: a change touches the page it is in
and no other, on any machine. A page is stored as a chunk:

    page         msgpack [format 1, packs, groups]
    packs        bytes: table of pack ids, sorted
    groups       [[directory, [entry, …]], …]
    entry        [name, kind | executable << 4, mtime_ns, digest, body]
    body         FILE: a list that tells by its length which: [] empty; [pack index, offset, stored size, size] one chunk, whose
                 digest is the file's; [size, chunk list] several; [size, chunk list, spans, pack indices] indirect
                 SYMLINK: target
                 DIRECTORY: nil
                 REFERENCE: [size, uri, etag or nil, version id or nil, size known]

Its canonical digest is what the version digest is made of: BLAKE3 over, for each entry, kind u8, executable u8, digest, length of
the path u32, path. Places, times and sizes are not part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import msgpack

from artfs.errors import IntegrityError, NameNotValid
from artfs.model.chunk_list import decode_chunk_refs, decode_packs, encode_chunk_refs
from artfs.model.digest import DIGEST_SIZE, Digest, digest_of
from artfs.model.entry import ChunkRef, Content, Entry, Kind, PackId, Reference
from artfs.model.names import normalise_path

FORMAT = 1
_EXECUTABLE = 1 << 4
_PAGE_BITS_MASK = (1 << 9) - 1


def ends_page(path: str) -> bool:
    """True if a page ends after the entry at `path`."""
    tail = digest_of(path.encode())[-2:]
    return not int.from_bytes(tail, "big") & _PAGE_BITS_MASK


def cut_into_pages(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries, which must be in manifest order, page by page."""
    page: list[Entry] = []
    for entry in entries:
        page.append(entry)
        if ends_page(entry.path):
            yield page
            page = []
    if page:
        yield page


def canonical_digest(page: Iterable[Entry]) -> Digest:
    stream = bytearray()
    for entry in page:
        path = entry.path.encode()
        stream += bytes((entry.kind, entry.executable))
        stream += entry.digest
        stream += len(path).to_bytes(4, "little")
        stream += path
    return digest_of(stream)


def packs_of_page(page: Iterable[Entry]) -> list[PackId]:
    """The packs that the entries of a page need, sorted."""
    needed: set[PackId] = set()
    for entry in page:
        if entry.kind is Kind.FILE:
            needed |= entry.content.needed_packs()
    return sorted(needed)


def encode_page(page: Sequence[Entry]) -> bytes:
    packs = packs_of_page(page)
    indices = {pack: index for index, pack in enumerate(packs)}
    groups = [
        [directory, [_encode_entry(entry, indices) for entry in group]]
        for directory, group in groupby(page, key=lambda entry: entry.directory)
    ]
    encoded: bytes = msgpack.packb([FORMAT, b"".join(packs), groups])
    return encoded


def _encode_entry(entry: Entry, indices: Mapping[PackId, int]) -> list[Any]:
    flags = entry.kind | (_EXECUTABLE if entry.executable else 0)
    return [entry.name, flags, entry.mtime_ns, entry.digest, _encode_body(entry, indices)]


def _encode_body(entry: Entry, indices: Mapping[PackId, int]) -> Any:
    if entry.kind is Kind.FILE:
        return _encode_content(entry, indices)
    if entry.kind is Kind.SYMLINK:
        return entry.target
    if entry.kind is Kind.REFERENCE and entry.reference is not None:
        reference = entry.reference
        return [entry.size, reference.uri, reference.etag, reference.version_id, reference.size is not None]
    return None


def _encode_content(entry: Entry, indices: Mapping[PackId, int]) -> list[Any]:
    content = entry.content
    if content.is_indirect:
        pack_indices = [indices[pack] for pack in content.packs]
        return [entry.size, encode_chunk_refs(content.refs, indices), list(content.spans), pack_indices]
    if not content.refs:
        return []
    if len(content.refs) == 1:
        (ref,) = content.refs
        return [indices[ref.pack], ref.offset, ref.stored_size, ref.size]
    return [entry.size, encode_chunk_refs(content.refs, indices)]


def decode_page(data: bytes) -> list[Entry]:
    """The entries of an encoded page. Raises IntegrityError on anything that is not a page, whatever the bytes."""
    try:
        version, table, groups = msgpack.unpackb(data, strict_map_key=True)
        if version != FORMAT:
            raise IntegrityError(f"a manifest page has format {version!r}; this artfs reads format {FORMAT}")
        packs = decode_packs(table)
        entries = [_decode_entry(directory, row, packs) for directory, rows in groups for row in rows]
        _check_order(entries)
    except IntegrityError:
        raise
    except Exception as error:  # hostile bytes can break msgpack and the unpacking of its lists in many ways
        raise IntegrityError(f"not a manifest page: {error}") from error
    return entries


def _check_order(entries: Sequence[Entry]) -> None:
    keys = [entry.sort_key for entry in entries]
    if any(first >= second for first, second in pairwise(keys)):
        raise IntegrityError("a manifest page is not in order")


def _decode_entry(directory: str, row: Sequence[Any], packs: Sequence[PackId]) -> Entry:
    name, flags, mtime_ns, digest, body = row
    path = _checked_path(directory, name)
    kind = Kind(flags & ~_EXECUTABLE)
    if not isinstance(digest, bytes) or len(digest) != DIGEST_SIZE:
        raise IntegrityError(f"the entry of {path!r} in a manifest page has no digest")
    if not isinstance(mtime_ns, int):
        raise IntegrityError(f"the entry of {path!r} in a manifest page has no time")
    if kind is Kind.FILE:
        size, content = _decode_content(Digest(digest), body, packs)
        return Entry(path, kind, size, bool(flags & _EXECUTABLE), mtime_ns, Digest(digest), content)
    if kind is Kind.SYMLINK:
        return Entry(path, kind, len(body.encode()), mtime_ns=mtime_ns, digest=Digest(digest), target=body)
    if kind is Kind.REFERENCE:
        size, uri, etag, version_id, known = body
        reference = Reference(uri, etag, version_id, _checked_size(size) if known else None)
        return Entry(path, kind, _checked_size(size), mtime_ns=mtime_ns, digest=Digest(digest), reference=reference)
    return Entry(path, kind)


def _checked_path(directory: str, name: str) -> str:
    path = f"{directory}/{name}" if directory else name
    try:
        normal = normalise_path(path)
    except NameNotValid as error:
        raise IntegrityError(f"a manifest page has a path that cannot be: {error}") from error
    if normal != path or "/" in name or not name:
        raise IntegrityError(f"a manifest page has the path {path!r}, which is not normal")
    return path


def _checked_size(size: Any) -> int:
    if not isinstance(size, int) or size < 0:
        raise IntegrityError(f"a manifest page has the size {size!r}")
    return size


def _decode_content(digest: Digest, body: Sequence[Any], packs: Sequence[PackId]) -> tuple[int, Content]:
    if not body:
        return 0, Content()
    if len(body) == 4 and not isinstance(body[1], bytes):
        index, offset, stored_size, size = body
        if not 0 < stored_size <= size or not 0 <= index < len(packs) or offset < 0:
            raise IntegrityError("a manifest page has a chunk that cannot be")
        return size, Content((ChunkRef(digest, size, packs[index], offset, stored_size),))
    refs = decode_chunk_refs(body[1], packs)
    if len(body) == 2:
        if sum(ref.size for ref in refs) != body[0]:
            raise IntegrityError("a manifest page has a file whose chunks do not add up to its size")
        return body[0], Content(refs)
    size, _, spans, pack_indices = body
    if len(spans) != len(refs) or sum(_checked_size(span) for span in spans) != size or not all(spans):
        raise IntegrityError("a manifest page has a file whose chunk lists do not add up to its size")
    return size, Content(refs, tuple(spans), tuple(packs[index] for index in pack_indices))
