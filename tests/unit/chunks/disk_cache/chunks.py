"""Chunks to keep: as they are stored, with the references by which they are asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence

from artfs.chunks.codec import encode_chunk
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, PackId

PACK = PackId(b"a pack somewhere")
Stored = list[tuple[ChunkRef, bytes]]


def stored_chunk(plain: bytes) -> tuple[ChunkRef, bytes]:
    stored = bytes(encode_chunk(plain))
    return ChunkRef(digest_of(plain), len(plain), PACK, 0, len(stored)), stored


def noise_chunks(count: int, size: int, seed: int = 0) -> Stored:
    """Different chunks that do not shrink."""
    noise = random.Random(seed)
    return [stored_chunk(noise.randbytes(size)) for _ in range(count)]


def refs_of(chunks: Stored) -> list[ChunkRef]:
    return [ref for ref, _ in chunks]


def digests_of(chunks: Sequence[tuple[ChunkRef, bytes]]) -> set[Digest]:
    return {ref.digest for ref, _ in chunks}
