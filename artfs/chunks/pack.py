"""Packs: objects of about 32 MiB that hold many chunks and say themselves where each lies.

    pack       chunk*, footer, trailer
    chunk      as stored (see `codec`), one directly behind the other, from offset 0
    footer     number of chunks u32, then for each chunk: digest 32 bytes, lengths u48: low 24 bits size, high 24 bits stored size

    trailer    offset  bytes  meaning
                    0      4  length of the footer, u32
                    4      4  format, u32: 1
                    8     16  pack id, so that a pack that was moved or mistaken for another is noticed
                   24     32  BLAKE3 of the footer and of the 24 bytes before
                   56      8  "artfspk" and a zero byte

All numbers are little-endian. Readers find chunks by manifests and the registry and do not need the footer: it is there so that
the chunk index can be rebuilt and a pack verified from the pack alone. Digests do not compress, so the footer is not compressed.

A pure codec but for `read_chunk_table`; every function may be called from any thread. Whatever the bytes, decoding ends in a table
or in IntegrityError and allocates no more than a small multiple of what was there to read.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from artfs.errors import IntegrityError
from artfs.model.digest import DIGEST_SIZE, Digest, digest_of
from artfs.model.entry import ChunkRef, PackId, pack_key
from artfs.objectstore.protocol import ObjectStore

FORMAT = 1
#: A pack is closed when it has reached this size ...
TARGET_SIZE = 32 << 20
#: ... or holds so many chunks, which bounds its footer to 2.5 MB.
MAX_CHUNKS = 1 << 16
MAGIC = b"artfspk\0"

_COUNT = struct.Struct("<I")
_RECORD = struct.Struct("<32sIH")
_HEAD = struct.Struct("<II16s")
TRAILER_SIZE = _HEAD.size + DIGEST_SIZE + len(MAGIC)
#: Footer and trailer of a pack of MAX_CHUNKS chunks.
MAX_FOOTER_SIZE = _COUNT.size + MAX_CHUNKS * _RECORD.size + TRAILER_SIZE
_SIZE_BITS = 24
_SIZE_MASK = (1 << _SIZE_BITS) - 1
#: Read at once from a pack's end: the footer of a usual pack is about 20 KB.
_TAIL_SIZE = 64 << 10


def pack_size(chunks: int, stored: int) -> int:
    """Bytes of a pack of so many chunks, which take `stored` bytes together."""
    return stored + _COUNT.size + chunks * _RECORD.size + TRAILER_SIZE


def encode_footer(pack: PackId, refs: Sequence[ChunkRef]) -> bytes:
    """Footer and trailer of a pack that holds `refs`, in this order and one directly behind the other."""
    records = [_COUNT.pack(len(refs))]
    for ref in refs:
        lengths = ref.stored_size << _SIZE_BITS | ref.size
        records.append(_RECORD.pack(ref.digest, lengths & 0xFFFFFFFF, lengths >> 32))
    footer = b"".join(records)
    head = _HEAD.pack(len(footer), FORMAT, pack)
    return footer + head + digest_of(footer + head) + MAGIC


def read_chunk_table(objects: ObjectStore, pack: PackId) -> list[ChunkRef]:
    """The chunks of a pack, from the pack alone. NotFound when it is not there, IntegrityError when it is damaged."""
    key = pack_key(pack)
    size = objects.size(key)
    if size < TRAILER_SIZE + _COUNT.size:
        raise IntegrityError(f"{key} has {size} bytes, too few for a pack")
    tail = bytes(objects.read_range(key, max(0, size - _TAIL_SIZE), min(size, _TAIL_SIZE)))
    footer_size = _check_trailer(key, pack, tail[-TRAILER_SIZE:], size)
    if footer_size + TRAILER_SIZE > len(tail):
        tail = bytes(objects.read_range(key, size - TRAILER_SIZE - footer_size, footer_size + TRAILER_SIZE))
    return _decode_footer(key, pack, tail[-TRAILER_SIZE - footer_size :], size - TRAILER_SIZE - footer_size)


def decode_chunk_table(pack: PackId, end: bytes, size: int) -> list[ChunkRef]:
    """The same from the last bytes of a pack of `size` bytes: MAX_FOOTER_SIZE of them, or all."""
    key = pack_key(pack)
    if size < TRAILER_SIZE + _COUNT.size:
        raise IntegrityError(f"{key} has {size} bytes, too few for a pack")
    footer_size = _check_trailer(key, pack, end[-TRAILER_SIZE:], size)
    return _decode_footer(key, pack, end[-TRAILER_SIZE - footer_size :], size - TRAILER_SIZE - footer_size)


def _check_trailer(key: str, pack: PackId, trailer: bytes, size: int) -> int:
    """The length of the footer. The digest is checked later, with the footer."""
    footer_size, version, found = _HEAD.unpack_from(trailer)
    if not trailer.endswith(MAGIC):
        raise IntegrityError(f"{key} does not end as a pack does")
    if version != FORMAT:
        raise IntegrityError(f"{key} has format {version}; this artfs reads format {FORMAT}")
    if found != pack:
        raise IntegrityError(f"{key} holds another pack, {pack_key(PackId(found))}")
    if not _COUNT.size <= footer_size <= min(MAX_FOOTER_SIZE, size) - TRAILER_SIZE:
        raise IntegrityError(f"{key} claims a footer of {footer_size} bytes")
    return int(footer_size)


def _decode_footer(key: str, pack: PackId, tail: bytes, chunks_size: int) -> list[ChunkRef]:
    signed, digest = tail[: -DIGEST_SIZE - len(MAGIC)], tail[-DIGEST_SIZE - len(MAGIC) : -len(MAGIC)]
    if digest_of(signed) != digest:
        raise IntegrityError(f"the footer of {key} is not what its digest says")
    records = signed[_COUNT.size : -_HEAD.size]
    (count,) = _COUNT.unpack_from(signed)
    if count * _RECORD.size != len(records):
        raise IntegrityError(f"the footer of {key} claims {count} chunks and has another length")
    refs: list[ChunkRef] = []
    offset = 0
    for chunk, low, high in _RECORD.iter_unpack(records):
        lengths = high << 32 | low
        size, stored_size = lengths & _SIZE_MASK, lengths >> _SIZE_BITS
        if not 0 < stored_size <= size:
            raise IntegrityError(f"the footer of {key} has a chunk of {size} bytes that takes {stored_size}")
        refs.append(ChunkRef(Digest(chunk), size, pack, offset, stored_size))
        offset += stored_size
    if offset != chunks_size:
        raise IntegrityError(f"the chunks in the footer of {key} take {offset} bytes, but {chunks_size} are there")
    return refs
