"""Packs: what is written can be read from the pack alone, and what is damaged says so."""

from __future__ import annotations

import random

import pytest

from artfs.chunks.codec import decode_chunk
from artfs.chunks.pack import TRAILER_SIZE, read_chunk_table
from artfs.errors import IntegrityError, NotFound
from artfs.model.digest import digest_of
from artfs.model.entry import make_pack_id, pack_key
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.metered import MeteredStore
from tests.unit.chunks.packs import LEASE, write_chunks

PACK = make_pack_id(LEASE, 0)
KEY = pack_key(PACK)
CHUNKS = [b"text " * 4000, random.Random(1).randbytes(30_000), b"small", b"x"]


def test_a_pack_tells_its_chunks_from_itself_alone() -> None:
    objects = MemoryStore()
    refs = write_chunks(objects, CHUNKS)
    assert read_chunk_table(objects, PACK) == refs
    assert [decode_chunk(objects.read_range(KEY, ref.offset, ref.stored_size), ref) for ref in refs] == CHUNKS


def test_a_usual_pack_is_told_by_two_requests_and_few_bytes() -> None:
    objects = MeteredStore(MemoryStore())
    write_chunks(objects, [random.Random(i).randbytes(50_000) for i in range(40)])
    read_chunk_table(objects, PACK)
    counts = objects.counts()
    assert (counts["size"], counts["read_range"]) == (1, 1)
    assert counts["bytes_read"] <= 64 << 10


def test_a_pack_of_many_small_chunks_is_told_too() -> None:
    objects = MemoryStore()
    refs = write_chunks(objects, [str(i).encode() for i in range(5000)])
    assert read_chunk_table(objects, PACK) == refs


def test_the_bytes_of_a_pack_are_part_of_the_format() -> None:
    objects = MemoryStore()
    write_chunks(objects, [b"abc", b"de"])
    footer = (2).to_bytes(4, "little")
    for chunk in (b"abc", b"de"):
        size = len(chunk).to_bytes(3, "little")
        footer += digest_of(chunk) + size + size
    head = len(footer).to_bytes(4, "little") + (1).to_bytes(4, "little") + PACK
    assert objects.get(KEY) == b"abcde" + footer + head + digest_of(footer + head) + b"artfspk\0"
    assert len(head) + 32 + 8 == TRAILER_SIZE


def test_a_pack_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        read_chunk_table(MemoryStore(), PACK)


def test_a_pack_under_the_name_of_another_is_noticed() -> None:
    objects = MemoryStore()
    write_chunks(objects, CHUNKS)
    other = make_pack_id(LEASE, 1)
    objects.put(pack_key(other), [objects.get(KEY)])
    with pytest.raises(IntegrityError, match=f"{pack_key(other)} holds another pack, {KEY}"):
        read_chunk_table(objects, other)


def test_a_pack_of_a_later_format_says_so() -> None:
    objects = MemoryStore()
    write_chunks(objects, CHUNKS)
    whole = bytearray(objects.get(KEY))
    whole[-TRAILER_SIZE + 4] = 2
    objects.put(KEY, [whole])
    with pytest.raises(IntegrityError, match="has format 2; this artfs reads format 1"):
        read_chunk_table(objects, PACK)


@pytest.mark.parametrize("length", [0, 1, TRAILER_SIZE, TRAILER_SIZE + 4, 500])
def test_a_pack_that_was_cut_off_is_noticed(length: int) -> None:
    objects = MemoryStore()
    write_chunks(objects, CHUNKS)
    for damaged in (objects.get(KEY)[:length], objects.get(KEY)[-length:] if length else b"", objects.get(KEY)[1:]):
        damaged_objects = MemoryStore()
        damaged_objects.put(KEY, [damaged])
        with pytest.raises(IntegrityError, match=KEY):
            read_chunk_table(damaged_objects, PACK)
