"""Chunks into packs into the object store.

Chunks are copied into the buffer of their pack; a full one is put by a background thread while the next one fills. At most two are
on their way, eight where the store is remote, so a writer has at most three buffers or nine (300 MiB), which it fills again and
again: who adds faster than the store takes waits in `add`. The first eight to a remote store are short. A pack whose connection is
lost is put again, by the store; the others go on. A pack is durable before `on_durable` tells about it (I1). One caller at a time:
a writer has no lock, only the background threads beside it, which touch nothing of its state but their own future; a buffer comes
back as that future's result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from typing_extensions import Buffer

from artfs.chunks.pack import MAX_CHUNKS, MAX_FOOTER_SIZE, TARGET_SIZE, encode_footer
from artfs.chunks.pack_buffer import PackBuffer
from artfs.errors import InternalError
from artfs.model.digest import Digest
from artfs.model.entry import MAX_CHUNK_SIZE, ChunkRef, PackId, pack_key
from artfs.objectstore.protocol import ObjectStore

_IN_FLIGHT = 2
_IN_FLIGHT_REMOTE = 8
#: As many packs as go to a remote store at once are shorter by this at first: the line is full sooner, and what fills no more than
#: these goes up side by side.
_FIRST_SHARE = 4


class _Pack(NamedTuple):
    """A pack that is filling or on its way."""

    id: PackId
    refs: list[ChunkRef]
    buffer: PackBuffer


class PackWriter:
    """Writes chunks into packs of about `target_size`.

    `next_id` names each new pack. `on_durable(pack, object size, chunks)` is called once for each pack when it is safely stored, in
    the thread that stored it. An error is raised when the next pack begins, and by every call after that but `discard`: what
    is not yet durable is lost.
    """

    def __init__(
        self,
        objects: ObjectStore,
        next_id: Callable[[], PackId],
        on_durable: Callable[[PackId, int, list[ChunkRef]], None],
        target_size: int = TARGET_SIZE,
    ) -> None:
        self._objects = objects
        self._limit = _IN_FLIGHT_REMOTE if objects.is_remote else _IN_FLIGHT
        self._next_id = next_id
        self._on_durable = on_durable
        self._target_size = target_size
        self._short_packs = self._limit if objects.is_remote else 0
        self._pack: _Pack | None = None
        self._free: list[PackBuffer] = []
        self._threads: ThreadPoolExecutor | None = None
        self._in_flight: set[Future[PackBuffer]] = set()
        self._error: BaseException | None = None

    def add(self, digest: Digest, size: int, stored: Buffer) -> ChunkRef:
        """Put a chunk into the pack that is filling; `stored` is what `encode_chunk` made of its `size` plain bytes.

        The reference may be used at once in what is itself written later, but is good only when `flush` has returned. The bytes
        are copied: their memory is the caller's again.
        """
        if self._error is not None:
            raise self._error
        view = memoryview(stored)
        if not 0 < view.nbytes <= size <= MAX_CHUNK_SIZE:
            raise InternalError(f"a chunk of {size} bytes that takes {view.nbytes} fits into no pack")
        if self._pack is None:
            self._check()  # for each pack, not for each chunk: asking eight futures took longer than the rest of this
            self._pack = _Pack(self._next_id(), [], self._take_buffer())
        buffer = self._pack.buffer
        ref = ChunkRef(digest, size, self._pack.id, buffer.size, view.nbytes)
        self._pack.refs.append(ref)
        buffer.append(view)
        target_size = self._target_size // _FIRST_SHARE if self._short_packs else self._target_size
        if buffer.size >= target_size or len(self._pack.refs) >= MAX_CHUNKS:
            self._start_put()
        return ref

    def send(self) -> None:
        """Begin to put what waits in a pack that is not full, as `flush` will; an error is raised by a later call."""
        if self._pack is not None:
            self._start_put()

    def flush(self) -> None:
        """Returns when everything added is durable and `on_durable` was told; raises the first error there was."""
        self._check()
        try:
            pack, self._pack = self._pack, None
            if pack is not None:
                self._put(pack)
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._stop_threads()
        self._check()

    def discard(self) -> None:
        """Forget what waits and wait for what is on its way; what is stored already is left for gc. Raises nothing."""
        self._pack = None
        self._stop_threads()

    def _check(self) -> None:
        self._reap([put for put in self._in_flight if put.done()])
        if self._error is not None:
            raise self._error

    def _await_one(self) -> None:
        """Wait until a pack is put, whichever: of eight that share a line one may take as long as several of the others."""
        self._reap(wait(self._in_flight, return_when=FIRST_COMPLETED).done)

    def _reap(self, done: Iterable[Future[PackBuffer]]) -> None:
        for put in done:
            self._in_flight.remove(put)
            error = put.exception()
            if error is None:
                self._free.append(put.result())
            elif self._error is None:
                self._error = error

    def _take_buffer(self) -> PackBuffer:
        if self._free:
            return self._free.pop()
        # A pack is full once it has reached its target, which its last chunk may exceed by all but a byte.
        return PackBuffer(self._target_size + MAX_CHUNK_SIZE + MAX_FOOTER_SIZE)

    def _start_put(self) -> None:
        while len(self._in_flight) >= self._limit:
            self._await_one()
        self._check()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._limit, thread_name_prefix="artfs-put-pack")
        pack, self._pack = self._pack, None
        self._short_packs = max(self._short_packs - 1, 0)
        if pack is not None:
            self._in_flight.add(self._threads.submit(self._put, pack))

    def _put(self, pack: _Pack) -> PackBuffer:
        pack.buffer.append(encode_footer(pack.id, pack.refs))
        self._objects.put(pack_key(pack.id), [pack.buffer.filled])
        # Told only now: a row must never name a pack that a power cut can take away (I1).
        self._on_durable(pack.id, pack.buffer.size, pack.refs)
        pack.buffer.clear()
        return pack.buffer

    def _stop_threads(self) -> None:
        self._reap(wait(self._in_flight).done)
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        self._free.clear()
