"""The bytes of one memo.

    memo         magic "artfs memo 1\\n", digest of the rest, body
    body         msgpack [packs, rows]
    packs        bytes: table of pack ids
    rows         {stamp: digest and chunk list, as bytes; or [digest, chunk list, spans, pack indices] for an indirect content}
    stamp        device, inode, size u64; mtime_ns, ctime_ns i64; little-endian

A memo is a cache: one that is damaged, cut off or from another artfs reads as None. The digest is there for damage, not against
an enemy; who can write to a user's cache folder can do worse. Rows are bytes because a hundred thousand small lists would keep
Python's garbage collector busy. Pure functions.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack

from artfs.content.stamp import Stamp
from artfs.errors import IntegrityError
from artfs.model.chunk_list import decode_chunk_refs, decode_packs, encode_chunk_refs
from artfs.model.digest import DIGEST_SIZE, Digest, digest_of
from artfs.model.entry import Content, PackId

_MAGIC = b"artfs memo 1\n"
_STAMP = struct.Struct("<QQQqq")

Known = tuple[Digest, Content]


@dataclass(slots=True)
class MemoRows:
    """A decoded memo; rows stay encoded until they are asked for."""

    packs: list[PackId] = field(default_factory=list)
    rows: dict[bytes, bytes | list[Any]] = field(default_factory=dict)

    def find(self, key: bytes, size: int) -> Known | None:
        row = self.rows.get(key)
        if row is None:
            return None
        try:
            return _decode_row(row, self.packs, size)
        except (IntegrityError, TypeError, ValueError, LookupError):
            return None


def encode_stamp(stamp: Stamp) -> bytes:
    return _STAMP.pack(stamp.device, stamp.inode, stamp.size, stamp.mtime_ns, stamp.ctime_ns)


def size_in_stamp(key: bytes) -> int:
    size: int = _STAMP.unpack(key)[2]
    return size


def encode_memo(known: Mapping[bytes, Known]) -> bytes:
    packs = sorted(set().union(*(content.needed_packs() for _, content in known.values())))
    indices = {pack: index for index, pack in enumerate(packs)}
    rows = {key: _encode_row(digest, content, indices) for key, (digest, content) in known.items()}
    body: bytes = msgpack.packb([b"".join(packs), rows])
    return _MAGIC + digest_of(body) + body


def decode_memo(data: bytes) -> MemoRows | None:
    """The rows of a memo, or None for anything that is not one."""
    start = len(_MAGIC) + DIGEST_SIZE
    body = memoryview(data)[start:]
    if not data.startswith(_MAGIC) or digest_of(body) != data[len(_MAGIC) : start]:
        return None
    try:
        table, rows = msgpack.unpackb(body)
        if not isinstance(rows, dict) or not all(isinstance(key, bytes) and len(key) == _STAMP.size for key in rows):
            return None
        return MemoRows(decode_packs(table), rows)
    except Exception:  # noqa: BLE001 - hostile bytes can break msgpack in many ways, and a cache that is no use is no error
        return None


def _encode_row(digest: Digest, content: Content, indices: Mapping[PackId, int]) -> bytes | list[Any]:
    refs = encode_chunk_refs(content.refs, indices)
    if not content.is_indirect:
        return digest + refs
    return [digest, refs, list(content.spans), [indices[pack] for pack in content.packs]]


def _decode_row(row: bytes | list[Any], packs: list[PackId], size: int) -> Known | None:
    if isinstance(row, bytes):
        refs = decode_chunk_refs(row[DIGEST_SIZE:], packs)
        return (Digest(row[:DIGEST_SIZE]), Content(refs)) if sum(ref.size for ref in refs) == size else None
    digest = Digest(row[0])
    refs = decode_chunk_refs(row[1], packs)
    spans = tuple(row[2])
    if len(spans) != len(refs) or sum(spans) != size:
        return None
    return digest, Content(refs, spans, tuple(packs[index] for index in row[3]))
