"""Chunk lists: compact, without loss, refused when they are none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artfs.errors import IntegrityError
from artfs.model.chunk_list import (
    decode_chunk_list,
    decode_chunk_ref,
    decode_chunk_refs,
    decode_packs,
    encode_chunk_list,
    encode_chunk_ref,
)
from artfs.model.digest import Digest
from artfs.model.entry import MAX_CHUNK_SIZE, ChunkRef, PackId
from tests.unit.model.entries import chunk_refs, property_test, ref_lists

PACK = PackId(b"p" * 16)


@property_test
@given(st.lists(chunk_refs(), max_size=20) | ref_lists)
def test_what_was_encoded_is_decoded(refs: list[ChunkRef]) -> None:
    assert decode_chunk_list(encode_chunk_list(refs)) == tuple(refs)


@property_test
@given(chunk_refs())
def test_one_reference_by_itself(ref: ChunkRef) -> None:
    assert decode_chunk_ref(encode_chunk_ref(ref)) == ref


def test_the_largest_chunk_fits() -> None:
    ref = ChunkRef(Digest(b"d" * 32), MAX_CHUNK_SIZE, PACK, 2**32 - 1, MAX_CHUNK_SIZE)
    assert decode_chunk_ref(encode_chunk_ref(ref)) == ref


def test_a_chunk_costs_38_bytes_and_its_place_nothing() -> None:
    refs = [ChunkRef(Digest(bytes([i]) * 32), 100, PACK, 100 * i, 100) for i in range(200)]
    assert len(encode_chunk_list(refs)) == 4 + 16 + 12 + 38 * 200


def test_no_or_several_references_are_not_one() -> None:
    ref = ChunkRef(Digest(b"d" * 32), 1, PACK, 0, 1)
    for refs in ([], [ref, ref]):
        with pytest.raises(IntegrityError, match=f"expected one chunk reference, found {len(refs)}"):
            decode_chunk_ref(encode_chunk_list(refs))


@property_test
@given(ref_lists.filter(bool), st.data())
def test_a_list_that_is_cut_off_is_refused(refs: list[ChunkRef], data: st.DataObject) -> None:
    encoded = encode_chunk_list(refs)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    try:
        decoded = decode_chunk_list(encoded[:cut])
    except IntegrityError:
        return
    assert decoded == tuple(refs)[: len(decoded)]  # cut between two runs
    assert len(decoded) < len(refs)


@pytest.mark.parametrize(
    "run",
    [
        struct.pack("<III", 1, 0, 1) + b"d" * 32 + (1 << 24 | 1).to_bytes(6, "little"),  # no such pack
        struct.pack("<III", 0, 0, 0),  # an empty run
        struct.pack("<III", 0, 0, 0xFFFFFFFF) + b"d" * 38,  # billions of chunks in 38 bytes
        struct.pack("<III", 0, 0, 1) + b"d" * 32 + (2 << 24 | 1).to_bytes(6, "little"),  # stored larger than it is
        struct.pack("<III", 0, 0, 1) + b"d" * 32 + bytes(6),  # a chunk of nothing
        b"cut off",
    ],
)
def test_a_run_that_cannot_be_is_refused(run: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode_chunk_refs(run, [PACK])


def test_a_table_of_packs_that_cannot_be_is_refused() -> None:
    with pytest.raises(IntegrityError):
        decode_packs(b"p" * 17)
    with pytest.raises(IntegrityError):
        decode_chunk_list(struct.pack("<I", 0xFFFFFFFF) + PACK)
    with pytest.raises(IntegrityError):
        decode_chunk_list(b"\1\0")
