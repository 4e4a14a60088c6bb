"""Chunks by reference: from memory where they are, else from the packs, verified (I3).

Chunks that lie near each other in one pack are read with one request. A chunk that another thread is fetching is waited for, not
fetched again (`shared_fetches`). All methods may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from artfs.chunks.codec import damaged, decode_chunk
from artfs.chunks.shared_fetches import SharedFetches
from artfs.errors import IntegrityError, NotFound
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, PackId, pack_key
from artfs.objectstore.protocol import ObjectStore

#: Bytes between two chunks that are read and thrown away rather than making two requests.
_MAX_GAP = 64 << 10
#: Most bytes of one request.
_MAX_RUN = 8 << 20


class ChunkStore:
    """Reads chunks from the packs in `objects`; `shared` keeps decoded ones in memory."""

    def __init__(self, objects: ObjectStore, shared: SharedFetches) -> None:
        self._objects = objects
        self._shared = shared

    def read(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        """The plain bytes of the chunks. IntegrityError tells pack, offset and digest of one that is damaged or missing."""
        found = self._shared.get({ref.digest: ref for ref in reversed(refs)}, self._fetch)
        return [_checked(found[ref.digest], ref) for ref in refs]

    def read_uncached(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        """Like `read`, but straight from the packs: for verifying, and for what will not be read again soon."""
        found = self._read_packs({ref.digest: ref for ref in refs}.values())
        return [_checked(found[ref.digest], ref) for ref in refs]

    def peek(self, digest: Digest) -> bytes | None:
        """The plain bytes of a chunk if they are in memory."""
        return self._shared.peek(digest)

    def _fetch(self, own: dict[Digest, ChunkRef]) -> dict[Digest, bytes]:
        return self._read_packs(own.values())

    def _read_packs(self, refs: Iterable[ChunkRef]) -> dict[Digest, bytes]:
        chunks: dict[Digest, bytes] = {}
        for run in _runs(refs):
            self._read_run(run, chunks)
        return chunks

    def _read_run(self, run: list[ChunkRef], chunks: dict[Digest, bytes]) -> None:
        first, last = run[0], run[-1]
        start = first.offset
        try:
            stored = self._objects.read_range(pack_key(first.pack), start, last.offset + last.stored_size - start)
        except NotFound as error:
            raise damaged(first, "the pack is not there") from error
        except IntegrityError as error:
            if len(run) == 1:
                raise damaged(first, str(error)) from error
            for ref in run:  # the pack ends early: say which chunk is the first that is cut off
                self._read_run([ref], chunks)
            return
        for ref in run:
            begin = ref.offset - start
            chunks[ref.digest] = decode_chunk(stored[begin : begin + ref.stored_size], ref)


def _checked(data: bytes, ref: ChunkRef) -> bytes:
    # The same digest may be asked for with another size by a damaged manifest.
    if len(data) != ref.size:
        raise damaged(ref, f"{ref.size} bytes were expected, but the chunk of this digest has {len(data)}")
    return data


def _place(ref: ChunkRef) -> tuple[PackId, int]:
    return ref.pack, ref.offset


def _runs(refs: Iterable[ChunkRef]) -> list[list[ChunkRef]]:
    """The chunks grouped by what one request shall read."""
    runs: list[list[ChunkRef]] = []
    pack: PackId | None = None
    start = end = 0
    for ref in sorted(refs, key=_place):
        stop = ref.offset + ref.stored_size
        if ref.pack == pack and 0 <= ref.offset - end <= _MAX_GAP and stop - start <= _MAX_RUN:
            runs[-1].append(ref)
        else:
            runs.append([ref])
            pack, start = ref.pack, ref.offset
        end = stop
    return runs
