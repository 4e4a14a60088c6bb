"""Chunks in packs for tests, and a store that can be told to fail or to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from typing_extensions import Buffer

from artfs.chunks.codec import encode_chunk
from artfs.chunks.pack_writer import PackWriter
from artfs.model.digest import digest_of
from artfs.model.entry import ChunkRef, LeaseId, PackId, make_pack_id
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.protocol import ObjectStore

LEASE = LeaseId(b"lease-of-12b")


def pack_ids(lease: LeaseId = LEASE) -> Callable[[], PackId]:
    """Names for packs, one after the other."""
    numbers = iter(range(1 << 32))
    return lambda: make_pack_id(lease, next(numbers))


def ignore(pack: PackId, size: int, refs: list[ChunkRef]) -> None:
    """An `on_durable` that wants to know nothing."""


def write_chunks(
    objects: ObjectStore, chunks: Sequence[bytes], target_size: int = 1 << 25, lease: LeaseId = LEASE
) -> list[ChunkRef]:
    writer = PackWriter(objects, pack_ids(lease), ignore, target_size)
    refs = [writer.add(digest_of(chunk), len(chunk), encode_chunk(chunk)) for chunk in chunks]
    writer.flush()
    return refs


class GatedStore(MemoryStore):
    """A MemoryStore whose puts and reads wait for `gate`, and fail while `error` is set. Counts its reads."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.reads: list[tuple[str, int, int]] = []
        self.puts = 0
        self.asked = threading.Semaphore(0)

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        self.puts += 1
        self._pass()
        super().put(key, data)

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        self.reads.append((key, offset, length))
        self._pass()
        return super().read_range(key, offset, length)

    def _pass(self) -> None:
        self.asked.release()
        assert self.gate.wait(60)
        if self.error is not None:
            raise self.error
