"""Chunks as they are stored: raw or compressed, verified on the way out (I3)."""

from __future__ import annotations

import contextlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from artfs.chunks.codec import decode_chunk, encode_chunk
from artfs.errors import IntegrityError
from artfs.model.digest import digest_of
from artfs.model.entry import MAX_CHUNK_SIZE, ChunkRef, LeaseId, make_pack_id

PACK = make_pack_id(LeaseId(b"lease-of-12b"), 7)
NOISE = random.Random(1).randbytes(64 << 10)
TEXT = b"".join(b"%d,a line of a table,%d\n" % (i, i * i) for i in range(3000))


def ref_of(plain: bytes, stored_size: int) -> ChunkRef:
    return ChunkRef(digest_of(plain), len(plain), PACK, 4096, stored_size)


def stored(plain: bytes) -> bytes:
    return bytes(memoryview(encode_chunk(plain)))


@settings(deadline=None)
@given(st.binary(max_size=3000) | st.builds(lambda piece, n: piece * n, st.binary(max_size=9), st.integers(0, 20_000)))
@example(TEXT)
@example(NOISE)
def test_what_was_encoded_is_decoded(plain: bytes) -> None:
    encoded = stored(plain)
    assert len(encoded) <= len(plain)
    assert decode_chunk(encoded, ref_of(plain, len(encoded))) == plain


@pytest.mark.parametrize(
    "plain", [NOISE, b"", b"x", b"\x89PNG" + bytes(500), b"\xff\xd8\xff" + bytes(500), b"\x1f\x8b\x08" + bytes(500)]
)
def test_what_does_not_shrink_or_is_compressed_already_is_the_same_object(plain: bytes) -> None:
    assert encode_chunk(plain) is plain


@pytest.mark.parametrize("size", [200, 10_000, 64_000])
def test_text_shrinks(size: int) -> None:
    assert len(stored(TEXT[:size])) < size // 2


def test_memory_that_is_writable_or_a_window_is_encoded_the_same() -> None:
    assert stored(TEXT) == bytes(memoryview(encode_chunk(bytearray(TEXT)))) == bytes(memoryview(encode_chunk(memoryview(TEXT))))


def test_threads_encode_and_decode_at_once() -> None:
    plains = [TEXT[i * 1000 : i * 1000 + 40_000] for i in range(20)]
    with ThreadPoolExecutor(4) as threads:
        encoded = list(threads.map(stored, plains * 10))
        refs = [ref_of(plain, len(data)) for plain, data in zip(plains * 10, encoded, strict=True)]
        assert list(threads.map(decode_chunk, encoded, refs)) == plains * 10


def test_the_error_tells_pack_offset_and_digest() -> None:
    ref = ref_of(NOISE, len(NOISE))
    with pytest.raises(IntegrityError) as caught:
        decode_chunk(bytes(len(NOISE)), ref)
    said = str(caught.value)
    assert ref.digest.hex() in said
    assert "offset 4096 of packs/6c656173652d6f662d313262/00000007" in said


@pytest.mark.parametrize("plain", [NOISE, TEXT])
def test_every_flipped_bit_is_noticed(plain: bytes) -> None:
    encoded = bytearray(stored(plain))
    ref = ref_of(plain, len(encoded))
    for position in range(0, len(encoded), 997):
        encoded[position] ^= 1 << position % 8
        with contextlib.suppress(IntegrityError):
            # A frame has bits that mean nothing: then the bytes are right all the same.
            assert decode_chunk(encoded, ref) == plain
        encoded[position] ^= 1 << position % 8
    assert decode_chunk(encoded, ref) == plain


def test_a_raw_chunk_of_another_length_is_noticed() -> None:
    for data in (NOISE[:-1], NOISE + b"x", b""):
        with pytest.raises(IntegrityError):
            decode_chunk(data, ref_of(NOISE, len(NOISE)))


LYING_FRAMES = {
    "claims more": zstandard.ZstdCompressor().compress(bytes(1 << 20)),
    "claims a terabyte": b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + bytes(9),
    "claims nothing": zstandard.ZstdCompressor(write_content_size=False).compress(TEXT),
    "claims too little": zstandard.ZstdCompressor().compress(TEXT[:-1]),
    "has a second frame": zstandard.ZstdCompressor().compress(TEXT) * 2,
    "has bytes behind": zstandard.ZstdCompressor().compress(TEXT) + b"x",
    "is cut off": zstandard.ZstdCompressor().compress(TEXT)[:-1],
    "has a skippable frame in front": b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.ZstdCompressor().compress(TEXT),
    "is nothing": b"",
    "is no frame": b"not a frame",
}


@pytest.mark.parametrize("case", LYING_FRAMES)
def test_a_frame_that_lies_is_refused_before_room_is_made_for_it(case: str) -> None:
    frame = LYING_FRAMES[case]
    with pytest.raises(IntegrityError):
        decode_chunk(frame, ref_of(TEXT, len(frame)))


def test_a_frame_of_another_chunk_is_refused() -> None:
    other = stored(TEXT[::-1])
    with pytest.raises(IntegrityError, match="not what the digest says"):
        decode_chunk(other, ref_of(TEXT, len(other)))


def test_a_frame_whose_content_is_longer_than_claimed_is_refused() -> None:
    frame = bytearray(zstandard.ZstdCompressor().compress(bytes(MAX_CHUNK_SIZE)))
    head = zstandard.get_frame_parameters(bytes(frame))
    assert head.content_size == MAX_CHUNK_SIZE
    claimed = frame.index((MAX_CHUNK_SIZE).to_bytes(4, "little"))
    frame[claimed : claimed + 4] = len(TEXT).to_bytes(4, "little")
    with pytest.raises(IntegrityError):
        decode_chunk(frame, ref_of(TEXT, len(frame)))
