"""Chunks into packs into the object store.

Chunks wait in memory until their pack is full; it is put by a background thread while the next one fills. At most two are on their
way, so a writer holds at most three packs: who adds faster than the store takes waits in `add`. A pack is durable before
`on_durable` tells about it (I1). One caller at a time: a writer has no lock, only the background threads beside it, which touch
nothing of its state but their own future.

Chunks passed as bytes or read-only memory are held, not copied; writable memory is copied, as its owner may use it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from typing_extensions import Buffer

from artfs.chunks.pack import MAX_CHUNKS, TARGET_SIZE, encode_footer
from artfs.errors import InternalError
from artfs.model.digest import Digest
from artfs.model.entry import MAX_CHUNK_SIZE, ChunkRef, PackId, pack_key
from artfs.objectstore.protocol import ObjectStore

_IN_FLIGHT = 2


class PackWriter:
    """Writes chunks into packs of about `target_size`.

    `next_id` names each new pack. `on_durable(pack, object size, chunks)` is called once for each pack when it is safely stored, in
    the thread that stored it. After an error every further call but `discard` raises it: what is not yet durable is lost.
    """

    def __init__(
        self,
        objects: ObjectStore,
        next_id: Callable[[], PackId],
        on_durable: Callable[[PackId, int, list[ChunkRef]], None],
        target_size: int = TARGET_SIZE,
    ) -> None:
        self._objects = objects
        self._next_id = next_id
        self._on_durable = on_durable
        self._target_size = target_size
        self._pack: PackId | None = None
        self._refs: list[ChunkRef] = []
        self._pieces: list[Buffer] = []
        self._size = 0
        self._threads: ThreadPoolExecutor | None = None
        self._in_flight: deque[Future[None]] = deque()
        self._error: BaseException | None = None

    def add(self, digest: Digest, size: int, stored: Buffer) -> ChunkRef:
        """Put a chunk into the pack that is filling; `stored` is what `encode_chunk` made of its `size` plain bytes.

        The reference may be used at once in what is itself written later, but is good only when `flush` has returned.
        """
        self._check()
        view = memoryview(stored)
        if not 0 < view.nbytes <= size <= MAX_CHUNK_SIZE:
            raise InternalError(f"a chunk of {size} bytes that takes {view.nbytes} fits into no pack")
        if self._pack is None:
            self._pack = self._next_id()
        piece = view if view.readonly else bytes(view)
        ref = ChunkRef(digest, size, self._pack, self._size, view.nbytes)
        self._refs.append(ref)
        self._pieces.append(piece)
        self._size += view.nbytes
        if self._size >= self._target_size or len(self._refs) >= MAX_CHUNKS:
            self._start_put()
        return ref

    def flush(self) -> None:
        """Returns when everything added is durable and `on_durable` was told; raises the first error there was."""
        self._check()
        try:
            if self._pack is not None:
                self._finish_pack(self._take_pack())
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._stop_threads()
        self._check()

    def discard(self) -> None:
        """Forget what waits and wait for what is on its way; what is stored already is left for gc. Raises nothing."""
        self._take_pack()
        self._stop_threads()

    def _check(self) -> None:
        while self._in_flight and self._in_flight[0].done():
            self._reap()
        if self._error is not None:
            raise self._error

    def _reap(self) -> None:
        error = self._in_flight.popleft().exception()
        if error is not None and self._error is None:
            self._error = error

    def _start_put(self) -> None:
        while len(self._in_flight) >= _IN_FLIGHT:
            self._reap()
        self._check()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="artfs-put-pack")
        self._in_flight.append(self._threads.submit(self._finish_pack, self._take_pack()))

    def _take_pack(self) -> tuple[PackId | None, list[ChunkRef], list[Buffer], int]:
        taken = self._pack, self._refs, self._pieces, self._size
        self._pack, self._refs, self._pieces, self._size = None, [], [], 0
        return taken

    def _finish_pack(self, taken: tuple[PackId | None, list[ChunkRef], list[Buffer], int]) -> None:
        pack, refs, pieces, size = taken
        if pack is None:
            return
        footer = encode_footer(pack, refs)
        self._objects.put(pack_key(pack), [*pieces, footer])
        pieces.clear()
        # Told only now: a row must never name a pack that a power cut can take away (I1).
        self._on_durable(pack, size + len(footer), refs)

    def _stop_threads(self) -> None:
        while self._in_flight:
            self._reap()
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
