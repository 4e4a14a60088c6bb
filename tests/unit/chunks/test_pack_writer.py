"""Chunks into packs: durable before told, bounded, and loud when it fails."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence

import pytest
from typing_extensions import Buffer

from artfs.chunks.pack import MAX_CHUNKS, read_chunk_table
from artfs.chunks.pack_writer import PackWriter
from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.errors import InternalError, StoreFull
from artfs.model.digest import digest_of
from artfs.model.entry import MAX_CHUNK_SIZE, ChunkRef, PackId, pack_key
from artfs.objectstore.memory import MemoryStore
from tests.unit.chunks.packs import GatedStore, ignore, pack_ids, write_chunks

CHUNKS = [random.Random(i).randbytes(1000) for i in range(30)]


def add_raw(writer: PackWriter, chunk: bytes) -> ChunkRef:
    return writer.add(digest_of(chunk), len(chunk), chunk)


def test_what_was_added_is_told_when_it_is_durable_and_not_before() -> None:
    objects = GatedStore()
    told: list[tuple[PackId, int, list[ChunkRef]]] = []

    def on_durable(pack: PackId, size: int, refs: list[ChunkRef]) -> None:
        assert objects.size(pack_key(pack)) == size
        told.append((pack, size, refs))

    writer = PackWriter(objects, pack_ids(), on_durable, target_size=5000)
    refs = [add_raw(writer, chunk) for chunk in CHUNKS]
    writer.flush()
    assert sorted(ref for _, _, refs in told for ref in refs) == sorted(refs)
    assert len(told) == 6
    assert all(read_chunk_table(objects, pack) == refs for pack, _, refs in told)
    assert ChunkStore(objects, SharedFetches(0)).read(refs) == CHUNKS


def test_nothing_added_writes_nothing() -> None:
    objects = GatedStore()
    writer = PackWriter(objects, pack_ids(), ignore)
    writer.flush()
    assert objects.puts == 0


def test_a_writer_goes_on_after_a_flush_with_a_new_pack() -> None:
    objects = GatedStore()
    writer = PackWriter(objects, pack_ids(), ignore)
    first = add_raw(writer, b"first")
    writer.flush()
    second = add_raw(writer, b"second")
    writer.flush()
    assert first.pack != second.pack
    assert ChunkStore(objects, SharedFetches(0)).read([first, second]) == [b"first", b"second"]


def test_memory_that_the_caller_uses_again_is_copied() -> None:
    objects = GatedStore()
    writer = PackWriter(objects, pack_ids(), ignore)
    memory = bytearray(b"first chunk")
    first = writer.add(digest_of(memory), len(memory), memory)
    second = writer.add(digest_of(memory), len(memory), memoryview(memory))
    memory[:] = b"overwritten"
    writer.flush()
    assert ChunkStore(objects, SharedFetches(0)).read([first, second]) == [b"first chunk"] * 2


def test_at_most_two_packs_are_on_their_way_and_the_adder_waits() -> None:
    objects = GatedStore()
    objects.gate.clear()
    writer = PackWriter(objects, pack_ids(), ignore, target_size=1000)
    added = threading.Semaphore(0)

    def add_all() -> None:
        for chunk in CHUNKS[:5]:
            add_raw(writer, chunk)
            added.release()
        writer.flush()

    thread = threading.Thread(target=add_all)
    thread.start()
    for _ in range(2):
        assert objects.asked.acquire(timeout=30)
        assert added.acquire(timeout=30)
    # The third pack is full; its chunk is not yet added while two are on their way.
    assert not added.acquire(blocking=False)
    assert objects.puts == 2
    objects.gate.set()
    thread.join(30)
    assert not thread.is_alive()
    assert objects.puts == 5


class FarStore(GatedStore):
    """One that is said to be on the other side of a network."""

    @property
    def is_remote(self) -> bool:
        return True


def test_eight_packs_are_on_their_way_to_a_remote_store() -> None:
    objects = FarStore()
    objects.gate.clear()
    writer = PackWriter(objects, pack_ids(), ignore, target_size=1000)

    def add_all() -> None:
        for chunk in CHUNKS:
            add_raw(writer, chunk)
        writer.flush()

    thread = threading.Thread(target=add_all)
    thread.start()
    for _ in range(8):
        assert objects.asked.acquire(timeout=30)
    assert not objects.asked.acquire(timeout=0.05)
    objects.gate.set()
    thread.join(30)
    assert not thread.is_alive()
    assert objects.puts == len(CHUNKS)


class OneSlowPackStore(FarStore):
    """Only the pack that comes first waits for the gate."""

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        if key == pack_key(pack_ids()()):
            super().put(key, data)
        else:
            self.puts += 1
            MemoryStore.put(self, key, data)


def test_a_pack_that_takes_long_holds_up_no_other() -> None:
    objects = OneSlowPackStore()
    objects.gate.clear()
    writer = PackWriter(objects, pack_ids(), ignore, target_size=1000)
    adder = threading.Thread(target=lambda: [add_raw(writer, chunk) for chunk in CHUNKS])
    adder.start()
    adder.join(30)
    is_done = not adder.is_alive()
    objects.gate.set()
    adder.join(30)
    writer.flush()
    assert is_done
    assert objects.puts == len(CHUNKS)


def test_the_first_packs_to_a_remote_store_are_short() -> None:
    objects = FarStore()
    writer = PackWriter(objects, pack_ids(), ignore, target_size=4000)
    refs = [add_raw(writer, chunk) for chunk in CHUNKS]
    writer.flush()
    sizes = Counter(ref.pack for ref in refs)
    assert [sizes[pack] for pack in sorted(sizes)] == [1] * 8 + [4] * 5 + [2]


def test_what_waits_can_be_sent_before_it_is_waited_for() -> None:
    objects = FarStore()
    writer = PackWriter(objects, pack_ids(), ignore)
    writer.send()
    assert objects.puts == 0
    add_raw(writer, b"first")
    writer.send()
    assert objects.asked.acquire(timeout=30)
    writer.flush()
    assert objects.puts == 1


class BufferCountingStore(GatedStore):
    """Keeps which memory the packs came in."""

    def __init__(self) -> None:
        super().__init__()
        self.memories: list[object] = []

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        super().put(key, data)
        self.memories += [memoryview(piece).obj for piece in data]


def test_packs_of_any_number_come_together_in_three_buffers() -> None:
    objects = BufferCountingStore()
    writer = PackWriter(objects, pack_ids(), ignore, target_size=1000)
    refs = [add_raw(writer, chunk) for chunk in CHUNKS]
    writer.flush()
    assert len(objects.memories) == len(CHUNKS)
    assert len({id(memory) for memory in objects.memories}) <= 3
    assert ChunkStore(objects, SharedFetches(0)).read(refs) == CHUNKS


def test_the_longest_chunk_fits_behind_a_pack_that_is_nearly_full() -> None:
    objects = GatedStore()
    longest = random.Random(0).randbytes(MAX_CHUNK_SIZE)
    writer = PackWriter(objects, pack_ids(), ignore, target_size=1000)
    refs = [writer.add(digest_of(chunk), len(chunk), chunk) for chunk in (b"x" * 999, longest)]
    writer.flush()
    assert objects.puts == 1
    assert ChunkStore(objects, SharedFetches(0)).read(refs) == [b"x" * 999, longest]


def test_the_first_error_is_raised_and_raised_again() -> None:
    objects = GatedStore()
    objects.error = StoreFull("no room")
    writer = PackWriter(objects, pack_ids(), ignore, target_size=1000)
    add_raw(writer, CHUNKS[0])
    with pytest.raises(StoreFull, match="no room"):
        writer.flush()
    objects.error = None
    with pytest.raises(StoreFull, match="no room"):
        add_raw(writer, CHUNKS[1])
    with pytest.raises(StoreFull, match="no room"):
        writer.flush()
    writer.discard()


def test_an_error_in_the_background_ends_a_long_run_of_adds() -> None:
    objects = GatedStore()
    objects.error = StoreFull("no room")
    writer = PackWriter(objects, pack_ids(), ignore, target_size=1000)
    with pytest.raises(StoreFull):
        _ = [add_raw(writer, chunk) for chunk in CHUNKS]
    assert objects.puts < 5
    writer.discard()


def test_an_error_of_the_listener_is_an_error_of_the_writer() -> None:
    def on_durable(pack: PackId, size: int, refs: list[ChunkRef]) -> None:
        raise StoreFull("the registry is full")

    writer = PackWriter(GatedStore(), pack_ids(), on_durable)
    add_raw(writer, b"x")
    with pytest.raises(StoreFull, match="the registry is full"):
        writer.flush()


def test_discard_forgets_what_waits_and_leaves_no_thread() -> None:
    objects = GatedStore()
    writer = PackWriter(objects, pack_ids(), ignore, target_size=3000)
    for chunk in CHUNKS[:4]:
        add_raw(writer, chunk)
    writer.discard()
    assert objects.puts == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("artfs-put-pack")]


def test_a_pack_of_tiny_chunks_is_closed_by_their_number() -> None:
    objects = GatedStore()
    refs = write_chunks(objects, [b"x"] * (MAX_CHUNKS + 1))
    assert refs[MAX_CHUNKS - 1].pack == refs[0].pack != refs[MAX_CHUNKS].pack
    assert len(read_chunk_table(objects, refs[0].pack)) == MAX_CHUNKS


@pytest.mark.parametrize(("size", "stored"), [(0, b""), (1, b""), (1, b"xx"), (MAX_CHUNK_SIZE + 1, b"x")])
def test_a_chunk_that_no_format_can_hold_is_a_defect(size: int, stored: bytes) -> None:
    writer = PackWriter(GatedStore(), pack_ids(), ignore)
    with pytest.raises(InternalError):
        writer.add(digest_of(b""), size, stored)
