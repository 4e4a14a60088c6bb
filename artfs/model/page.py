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
from itertools import groupby, islice
from operator import lt
from typing import Any

import msgpack

from artfs.errors import IntegrityError, NameNotValid
from artfs.model.chunk_list import decode_chunk_refs, decode_packs, encode_chunk_refs
from artfs.model.digest import DIGEST_SIZE, Digest, digest_of
from artfs.model.entry import MAX_CHUNK_SIZE, MAX_OFFSET, NO_CONTENT, ChunkRef, Content, Entry, Kind, PackId, Reference
from artfs.model.names import check_names, normalise_path
from artfs.model.unpack import checked_count, unpack

FORMAT = 1
_EXECUTABLE = 1 << 4
_FLAGS = {kind | flag: (kind, bool(flag)) for kind in Kind for flag in (0, _EXECUTABLE)}
_EMPTY_DIGEST = digest_of(b"")
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
    """What the version digest sees of a page (see the top of this module)."""
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
    """The bytes of a page, whose entries are in manifest order."""
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
        version, table, groups = unpack(data)
        if version != FORMAT:
            raise IntegrityError(f"a manifest page has format {version!r}; this artfs reads format {FORMAT}")
        if type(groups) is not list or not all(type(rows) is list and rows for _, rows in groups):
            raise IntegrityError("a manifest page is no list of directories with entries")
        packs = decode_packs(table)
        directories = [directory for directory, _ in groups]
        _check_order(directories)
        entries: list[Entry] = []
        for directory, rows in groups:
            _check_group(directory, [row[0] for row in rows])
            prefix = f"{directory}/" if directory else ""
            entries += [_decode_entry(prefix, row, packs) for row in rows]
    except IntegrityError:
        raise
    except Exception as error:  # hostile bytes can break msgpack and the unpacking of its lists in many ways
        raise IntegrityError(f"not a manifest page: {error}") from error
    return entries


def _check_group(directory: str, names: Sequence[str]) -> None:
    try:
        if directory != "" and normalise_path(directory) != directory:
            raise IntegrityError(f"a manifest page has the directory {directory!r}, which is not normal")
        check_names(directory, names)
    except NameNotValid as error:
        raise IntegrityError(f"a manifest page has a path that cannot be: {error}") from error
    _check_order(names)


def _check_order(names: Sequence[str]) -> None:
    if not all(map(lt, names, islice(names, 1, None))):
        raise IntegrityError("a manifest page is not in order")


def _decode_entry(prefix: str, row: Sequence[Any], packs: Sequence[PackId]) -> Entry:
    name, flags, mtime_ns, raw, body = row
    path = prefix + name
    kind, executable = _FLAGS[flags]
    if type(raw) is not bytes or len(raw) != DIGEST_SIZE:
        raise IntegrityError(f"the entry of {path!r} in a manifest page has no digest")
    digest = Digest(raw)
    if type(mtime_ns) is not int:
        raise IntegrityError(f"the entry of {path!r} in a manifest page has no time")
    if kind is Kind.FILE:
        size, content = _decode_content(digest, body, packs)
        return Entry(path, kind, size, executable, mtime_ns, digest, content)
    if kind is Kind.SYMLINK:
        if type(body) is not str or digest_of(body.encode()) != digest:
            raise IntegrityError(f"the symlink {path!r} in a manifest page has no target, or not the one its digest says")
        return Entry(path, kind, len(body.encode()), mtime_ns=mtime_ns, digest=digest, target=body)
    if kind is Kind.REFERENCE:
        return _decode_reference(path, mtime_ns, digest, body)
    return Entry(path, kind)


def _decode_reference(path: str, mtime_ns: int, digest: Digest, body: Any) -> Entry:
    size, uri, etag, version_id, known = body
    if type(uri) is not str or not isinstance(etag, str | None) or not isinstance(version_id, str | None):
        raise IntegrityError(f"the reference {path!r} in a manifest page does not say where it points")
    reference = Reference(uri, etag, version_id, checked_count(size) if known else None)
    if reference.identity() != digest:
        raise IntegrityError(f"the reference {path!r} in a manifest page is not what its digest says")
    return Entry(path, Kind.REFERENCE, checked_count(size), mtime_ns=mtime_ns, digest=digest, reference=reference)


def _decode_content(digest: Digest, body: Any, packs: Sequence[PackId]) -> tuple[int, Content]:
    if type(body) is not list:
        raise IntegrityError("a manifest page has a file without content")
    if len(body) == 4 and type(body[1]) is int:
        index, offset, stored_size, size = body
        if not (type(index) is type(stored_size) is type(size) is int and 0 < stored_size <= size <= MAX_CHUNK_SIZE):
            raise IntegrityError("a manifest page has a chunk that cannot be")
        if not 0 <= index < len(packs) or not 0 <= offset <= MAX_OFFSET:
            raise IntegrityError("a manifest page has a chunk in no pack")
        return size, Content((ChunkRef(digest, size, packs[index], offset, stored_size),))
    if not body:
        if digest != _EMPTY_DIGEST:
            raise IntegrityError("a manifest page has an empty file whose digest is of something else")
        return 0, NO_CONTENT
    refs = decode_chunk_refs(body[1], packs)
    if len(body) == 2:
        if sum(ref.size for ref in refs) != checked_count(body[0]) or not refs:
            raise IntegrityError("a manifest page has a file whose chunks do not add up to its size")
        return body[0], Content(refs)
    size, _, spans, pack_indices = body
    if len(spans) != len(refs) or sum(checked_count(span) for span in spans) != checked_count(size) or not all(spans) or not refs:
        raise IntegrityError("a manifest page has a file whose chunk lists do not add up to its size")
    return size, Content(refs, tuple(spans), tuple(packs[checked_count(index)] for index in pack_indices))
