"""Whatever bytes a decoder is given, it ends in a value or in IntegrityError, soon, and takes no memory for mere claims."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artfs.chunks.codec import decode_chunk
from artfs.chunks.pack import read_chunk_table
from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.errors import IntegrityError
from artfs.model.chunk_list import decode_chunk_list, decode_chunk_ref, decode_chunk_refs, decode_packs, encode_chunk_list
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import MAX_CHUNK_SIZE, ChunkRef, Content, Entry, PackId, pack_key, symlink_entry, with_parents
from artfs.model.manifest_root import decode_root, describe_page, encode_root
from artfs.model.page import decode_page, encode_page
from artfs.objectstore.memory import MemoryStore
from tests.unit.chunks.packs import write_chunks

hostile = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PACK = PackId(b"p" * 16)
MIB = 1 << 20


def sample_entries() -> list[Entry]:
    noise = random.Random(1)
    refs = [ChunkRef(Digest(noise.randbytes(32)), 70_000, PACK, 60_000 * i, 60_000) for i in range(8)]
    files = [
        *(Entry(f"d{i % 3}/one-{i}", size=70_000, digest=refs[i].digest, content=Content((refs[i],))) for i in range(6)),
        Entry("several", size=8 * 70_000, digest=Digest(noise.randbytes(32)), content=Content(tuple(refs))),
        Entry("long", size=300, digest=Digest(noise.randbytes(32)), content=Content(tuple(refs[:2]), (100, 200), (PACK,))),
        Entry("empty", digest=digest_of(b"")),
    ]
    return with_parents([*files, symlink_entry("link", "d1/one-1", 5)])


ENTRIES = sample_entries()
PAGE = encode_page(ENTRIES)
ROOT = encode_root([describe_page([entry], entry.content.refs[0]) for entry in ENTRIES if entry.content.refs])
LIST = encode_chunk_list([ref for entry in ENTRIES for ref in entry.content.refs])
PACKED = MemoryStore()
REFS = write_chunks(PACKED, [b"text " * 1000, random.Random(2).randbytes(3000), b"x", b"more text " * 900])
PACK_BYTES = PACKED.get(pack_key(REFS[0].pack))


def decode_pack(data: bytes) -> Any:
    objects = MemoryStore()
    objects.put(pack_key(REFS[0].pack), [data])
    return read_chunk_table(objects, REFS[0].pack)


def read_all(data: bytes) -> Any:
    objects = MemoryStore()
    objects.put(pack_key(REFS[0].pack), [data])
    return ChunkStore(objects, SharedFetches(MIB)).read(REFS)


DECODERS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "page": (decode_page, PAGE),
    "root": (decode_root, ROOT),
    "chunk list": (decode_chunk_list, LIST),
    "one chunk reference": (decode_chunk_ref, encode_chunk_list(REFS[:1])),
    "runs of chunks": (lambda data: decode_chunk_refs(data, [PACK]), LIST[20:]),
    "table of packs": (decode_packs, PACK * 3),
    "table of a pack": (decode_pack, PACK_BYTES),
    "chunks of a pack": (read_all, PACK_BYTES),
}


def ends_well(decode: Callable[[bytes], Any], data: bytes) -> Any:
    """What `decode` makes of `data`, or None for IntegrityError; anything else that is raised is a failure."""
    try:
        return decode(data)
    except IntegrityError:
        return None


@pytest.mark.parametrize("name", DECODERS)
def test_the_samples_are_good(name: str) -> None:
    decode, good = DECODERS[name]
    assert decode(good)


@pytest.mark.parametrize("name", DECODERS)
@hostile
@given(data=st.data())
def test_flipped_bits(name: str, data: st.DataObject) -> None:
    decode, good = DECODERS[name]
    damaged = bytearray(good)
    for position in data.draw(st.lists(st.integers(0, 8 * len(good) - 1), min_size=1, max_size=5)):
        damaged[position // 8] ^= 1 << position % 8
    ends_well(decode, bytes(damaged))


@pytest.mark.parametrize("name", DECODERS)
@hostile
@given(data=st.data())
def test_bytes_cut_out_or_put_in(name: str, data: st.DataObject) -> None:
    decode, good = DECODERS[name]
    start = data.draw(st.integers(0, len(good)))
    stop = data.draw(st.integers(start, len(good)))
    ends_well(decode, good[:start] + data.draw(st.binary(max_size=20)) + good[stop:])


@pytest.mark.parametrize("name", DECODERS)
@hostile
@given(st.binary(max_size=400))
def test_random_bytes(name: str, data: bytes) -> None:
    ends_well(DECODERS[name][0], data)


def test_every_truncation_of_a_pack_is_noticed_by_its_table() -> None:
    for length in range(0, len(PACK_BYTES), 7):
        with pytest.raises(IntegrityError):
            decode_pack(PACK_BYTES[:length])


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary(max_size=40) | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3) | st.integers(0, 3), inner, max_size=3),
    max_leaves=25,
)


def mutated(value: Any, data: st.DataObject) -> Any:
    """`value` with one thing somewhere in it replaced, removed or doubled."""
    if not isinstance(value, list) or not value or data.draw(st.integers(0, 5)) == 0:
        return data.draw(values)
    position = data.draw(st.integers(0, len(value) - 1))
    kept: Sequence[Any] = data.draw(
        st.sampled_from([[mutated(value[position], data)], [], [value[position]] * 2, [mutated(value[position], data)]])
    )
    return [*value[:position], *kept, *value[position + 1 :]]


@pytest.mark.parametrize("name", ["page", "root"])
@hostile
@given(data=st.data())
def test_well_formed_msgpack_of_another_meaning(name: str, data: st.DataObject) -> None:
    decode, good = DECODERS[name]
    decoded = ends_well(decode, msgpack.packb(mutated(msgpack.unpackb(good), data)))
    if name == "page" and decoded is not None:
        # What is taken for a page is one that could have been written.
        assert decode_page(encode_page(decoded)) == decoded


@pytest.mark.parametrize("name", ["page", "root"])
@hostile
@given(values)
def test_any_msgpack(name: str, value: Any) -> None:
    ends_well(DECODERS[name][0], msgpack.packb(value))


BOMBS = {
    "array of billions": b"\xdd\xff\xff\xff\xff",
    "arrays in arrays, each of as many as there are bytes": b"\xdd\x00\x03\x00\x00" * 40_000,
    "deep arrays": b"\x91" * 100_000,
    "map of billions": b"\xdf\xff\xff\xff\xff" * 3,
    "text of gigabytes": b"\x93\x01\xdb\xff\xff\xff\xff",
    "bytes of gigabytes": b"\x93\x01\xc6\xff\xff\xff\xff",
    "extension of gigabytes": b"\x93\x01\xc9\xff\xff\xff\xff\x01",
}


@pytest.mark.parametrize("name", ["page", "root"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_claim_makes_no_room(name: str, bomb: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError):
            DECODERS[name][0](BOMBS[bomb])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 128 * MIB


def test_a_chunk_never_takes_more_than_its_reference_says() -> None:
    # A frame of 2 KB whose content is 16 MiB, and a reference that says 1000 bytes.
    frame = write_frame(bytes(MAX_CHUNK_SIZE))
    ref = ChunkRef(Digest(b"d" * 32), 3000, PACK, 0, len(frame))
    assert ref.stored_size < ref.size
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError):
            decode_chunk(frame, ref)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB


def write_frame(plain: bytes) -> bytes:
    objects = MemoryStore()
    (ref,) = write_chunks(objects, [plain])
    return objects.read_range(pack_key(ref.pack), ref.offset, ref.stored_size)
