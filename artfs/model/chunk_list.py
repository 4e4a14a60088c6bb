"""The compact form of many chunk references.

    chunk list   run*
    run          pack index u32, offset u32, count u32, then `count` records
    record       digest 32 bytes, lengths u48: low 24 bits size, high 24 bits stored size

All little-endian. A run is chunks that lie one behind the other in one pack, so that a chunk costs 38 bytes and its place
nothing; the pack index counts into a table of pack ids beside the list. A list that is stored as a chunk of its own (see
`Content`) has the table in front: number of packs u32, then 16 bytes each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from artfs.errors import IntegrityError
from artfs.model.digest import Digest
from artfs.model.entry import PACK_ID_SIZE, ChunkRef, PackId

_RUN = struct.Struct("<III")
_RECORD = struct.Struct("<32sIH")
_COUNT = struct.Struct("<I")
_SIZE_BITS = 24
_SIZE_MASK = (1 << _SIZE_BITS) - 1


def encode_chunk_refs(refs: Iterable[ChunkRef], pack_indices: Mapping[PackId, int]) -> bytes:
    """Encode `refs`; `pack_indices` says where each pack stands in the table beside the list."""
    runs: list[bytes] = []
    records: list[bytes] = []
    pack: PackId | None = None
    start = end = 0
    for ref in refs:
        if ref.pack != pack or ref.offset != end:
            if pack is not None:
                runs += [_RUN.pack(pack_indices[pack], start, len(records)), *records]
            pack, start, records = ref.pack, ref.offset, []
        lengths = ref.stored_size << _SIZE_BITS | ref.size
        records.append(_RECORD.pack(ref.digest, lengths & 0xFFFFFFFF, lengths >> 32))
        end = ref.offset + ref.stored_size
    if pack is not None:
        runs += [_RUN.pack(pack_indices[pack], start, len(records)), *records]
    return b"".join(runs)


def decode_chunk_refs(data: bytes, packs: Sequence[PackId]) -> tuple[ChunkRef, ...]:
    """The references in `data`. Raises IntegrityError on anything that `encode_chunk_refs` cannot have written."""
    refs: list[ChunkRef] = []
    position = 0
    while position < len(data):
        if position + _RUN.size > len(data):
            raise IntegrityError("a chunk list is cut off in the head of a run")
        index, offset, count = _RUN.unpack_from(data, position)
        position += _RUN.size
        end = position + count * _RECORD.size
        if index >= len(packs) or end > len(data) or not count:
            raise IntegrityError("a chunk list has a run that reaches beyond it or names no pack")
        for digest, low, high in _RECORD.iter_unpack(data[position:end]):
            lengths = high << 32 | low
            size, stored_size = lengths & _SIZE_MASK, lengths >> _SIZE_BITS
            if not 0 < stored_size <= size:
                raise IntegrityError(f"a chunk list has a chunk of {size} bytes that takes {stored_size}")
            refs.append(ChunkRef(Digest(digest), size, packs[index], offset, stored_size))
            offset += stored_size
        position = end
    return tuple(refs)


def encode_chunk_list(refs: Sequence[ChunkRef]) -> bytes:
    """A chunk list with its own table of packs, to be stored as a chunk."""
    packs = sorted({ref.pack for ref in refs})
    indices = {pack: index for index, pack in enumerate(packs)}
    return _COUNT.pack(len(packs)) + b"".join(packs) + encode_chunk_refs(refs, indices)


def decode_chunk_list(data: bytes) -> tuple[ChunkRef, ...]:
    """The references in a list with its own table. Raises IntegrityError on what `encode_chunk_list` cannot have written."""
    if len(data) < _COUNT.size:
        raise IntegrityError("a chunk list is cut off before its table of packs")
    (count,) = _COUNT.unpack_from(data)
    table_end = _COUNT.size + count * PACK_ID_SIZE
    if table_end > len(data):
        raise IntegrityError("a chunk list is cut off in its table of packs")
    return decode_chunk_refs(data[table_end:], decode_packs(data[_COUNT.size : table_end]))


def encode_chunk_ref(ref: ChunkRef) -> bytes:
    """One reference by itself: how the registry keeps where a version's manifest lies."""
    return encode_chunk_list([ref])


def decode_chunk_ref(data: bytes) -> ChunkRef:
    """What `encode_chunk_ref` has written. Raises IntegrityError on anything else."""
    refs = decode_chunk_list(data)
    if len(refs) != 1:
        raise IntegrityError(f"expected one chunk reference, found {len(refs)}")
    return refs[0]


def decode_packs(table: bytes) -> list[PackId]:
    """The ids in a table of packs, 16 bytes each. Raises IntegrityError when it is cut off."""
    if len(table) % PACK_ID_SIZE:
        raise IntegrityError("a table of packs is cut off")
    return [PackId(table[i : i + PACK_ID_SIZE]) for i in range(0, len(table), PACK_ID_SIZE)]
