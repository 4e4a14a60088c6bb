"""A chunk as it is stored: its plain bytes, or one zstd frame where that is clearly smaller.

Which of the two it is shows in the reference alone: raw if and only if `stored_size == size`. A frame is written with its content
size in its head, so that a decoder knows what it will need before it allocates. All functions may be called from any thread;
compressing, decompressing and digesting release the GIL.
"""

from __future__ import annotations

import threading

import zstandard
from typing_extensions import Buffer

from artfs.errors import IntegrityError
from artfs.model.digest import digest_of
from artfs.model.entry import ChunkRef, pack_key

LEVEL = 3
#: A frame must save one sixteenth of the chunk: less is not worth decompressing it on each read.
_GAIN = 16
#: Chunks shorter than this are compressed without trying a sample first.
_SAMPLED_FROM = 16 << 10
_SAMPLE_SIZE = 4 << 10
_SAMPLE_LEVEL = 1


class _Contexts(threading.local):
    """zstd contexts are not for two threads at once; making one costs more than using it."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL)
        self.sampler = zstandard.ZstdCompressor(level=_SAMPLE_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def encode_chunk(data: Buffer) -> Buffer:
    """What to store for the plain bytes of a chunk: `data` itself, or a zstd frame that is clearly shorter."""
    size = memoryview(data).nbytes
    if size >= _SAMPLED_FROM and not _sample_shrinks(memoryview(data)):
        return data
    frame = _contexts.compressor.compress(memoryview(data))
    return frame if len(frame) <= size - size // _GAIN and len(frame) < size else data


def _sample_shrinks(data: memoryview) -> bool:
    middle = (len(data) - _SAMPLE_SIZE) // 2
    sample = data[middle : middle + _SAMPLE_SIZE]
    return len(_contexts.sampler.compress(sample)) <= _SAMPLE_SIZE - _SAMPLE_SIZE // _GAIN


def decode_chunk(stored: Buffer, ref: ChunkRef) -> bytes:
    """The plain bytes of the chunk `ref`, verified against its digest (I3). Never allocates more than `ref` says."""
    plain = bytes(stored) if ref.stored_size == ref.size else _decompress(stored, ref)
    if len(plain) != ref.size or digest_of(plain) != ref.digest:
        raise damaged(ref, "the bytes are not what the digest says")
    return plain


def _decompress(stored: Buffer, ref: ChunkRef) -> bytes:
    frame = memoryview(stored)
    try:
        # python-zstandard allocates what the frame's head claims, so what it claims is checked first.
        if zstandard.frame_content_size(frame) != ref.size:
            raise damaged(ref, "the head of the zstd frame claims another size")
        return _contexts.decompressor.decompress(frame, max_output_size=ref.size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise damaged(ref, str(error)) from error


def damaged(ref: ChunkRef, why: str) -> IntegrityError:
    """The error for a chunk that cannot be used; tells where it lies and what it should be."""
    return IntegrityError(
        f"chunk {ref.digest.hex()} at offset {ref.offset} of {pack_key(ref.pack)} is damaged: {why}; "
        "run `artfs verify --read-data` to learn which versions need it"
    )
