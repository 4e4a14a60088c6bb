"""Chunks by reference: from memory where they are, from the cache on the local disk, else from the packs, verified (I3).

A chunk that another thread is fetching is waited for, not fetched again (`shared_fetches`). Where a pack is not there any more, its
chunks may have been moved: the store asks once where they lie now. How packs are read is in `pack_reads`. All methods may be called
from any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from artfs.chunks.chunk_cache import ChunkCache
from artfs.chunks.codec import damaged, missing
from artfs.chunks.near import NotNear, go_far, is_only_near
from artfs.chunks.pack_reads import PackReads, RequestThreads
from artfs.chunks.shared_fetches import SharedFetches
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef
from artfs.objectstore.protocol import ObjectStore, Piece

#: Where chunks lie now whose packs are gone. Those of which nobody knows are left out.
Relocate = Callable[[Sequence[ChunkRef]], Mapping[Digest, ChunkRef]]


class ChunkStore:
    """Reads chunks from the packs in `objects`.

    `shared` keeps decoded ones in memory, `cache` keeps them on a local disk, `relocate` knows where they were moved to, and
    `threads` make several requests of one call to a remote store at once.
    """

    def __init__(
        self,
        objects: ObjectStore,
        shared: SharedFetches,
        cache: ChunkCache | None = None,
        relocate: Relocate | None = None,
        threads: RequestThreads | None = None,
    ) -> None:
        self._packs = PackReads(objects, threads)
        self._shared = shared
        self._cache = cache
        self._relocate = relocate

    def read(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        """The plain bytes of the chunks, kept in memory for the next one who asks.

        IntegrityError tells pack, offset and digest of one that is damaged, PackMissing of one whose pack is nowhere.
        """
        return [bytes(piece) for piece in self.read_pieces(refs)]

    def read_pieces(self, refs: Sequence[ChunkRef]) -> list[Piece]:
        """Like `read`, but not copied: a view may keep the memory of many chunks as long as somebody holds it."""
        wanted = {ref.digest: ref for ref in reversed(refs)}
        found = self._find_near(wanted) if is_only_near() else self._shared.get(wanted, self._fetch)
        return [_checked(found[ref.digest], ref) for ref in refs]

    def peek_pieces(self, refs: Sequence[ChunkRef]) -> list[Piece] | None:
        """The same where all of them are in memory, else None. Never waits for more than a short lock."""
        pieces: list[Piece] = []
        for ref in refs:
            piece = self._shared.peek(ref.digest)
            if piece is None or len(piece) != ref.size:
                return None
            pieces.append(piece)
        return pieces

    def read_once(self, refs: Sequence[ChunkRef]) -> list[Piece]:
        """Like `read_pieces`, but past the memory: for copying what will not be read again soon."""
        found = self._fetch({ref.digest: ref for ref in refs})
        return [_checked(found[ref.digest], ref) for ref in refs]

    def read_uncached(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        """Like `read`, but straight from the packs, and only from where they are said to be: for verifying."""
        read = self._packs.read({ref.digest: ref for ref in refs}.values())
        if read.missing:
            raise missing(read.missing[0])
        return [bytes(_checked(read.found[ref.digest], ref)) for ref in refs]

    def peek(self, digest: Digest) -> Piece | None:
        """The plain bytes of a chunk if they are in memory."""
        return self._shared.peek(digest)

    def close(self) -> None:
        """Let go of threads; reading stays possible."""
        self._packs.close()

    def _find_near(self, wanted: dict[Digest, ChunkRef]) -> dict[Digest, Piece]:
        """The chunks from memory and cache. Raises NotNear if not all are there; then those that are will be in memory."""
        found = {digest: piece for digest in wanted if (piece := self._shared.peek(digest)) is not None}
        wanted = {digest: ref for digest, ref in wanted.items() if digest not in found}
        kept = {} if self._cache is None or not wanted else self._cache.get(list(wanted.values()))
        self._shared.keep(kept)
        if len(kept) < len(wanted):
            raise NotNear
        return found | kept

    def _fetch(self, own: dict[Digest, ChunkRef]) -> dict[Digest, Piece]:
        cache = self._cache
        if cache is None:
            return self._read_packs(list(own.values()))
        found: dict[Digest, Piece] = {**cache.get(list(own.values()))}
        wanted = [ref for digest, ref in own.items() if digest not in found]
        return found | self._read_packs(wanted) if wanted else found

    def _read_packs(self, refs: Sequence[ChunkRef]) -> dict[Digest, Piece]:
        go_far()
        keep = None if self._cache is None else self._cache.put
        found, lost = self._packs.read(refs, keep)
        if not lost:
            return found
        moved = {} if self._relocate is None else self._relocate(lost)
        if unknown := [ref for ref in lost if ref.digest not in moved]:
            raise missing(unknown[0])
        again = self._packs.read([moved[ref.digest] for ref in lost], keep)
        if again.missing:
            raise missing(again.missing[0])
        return found | again.found


def _checked(data: Piece, ref: ChunkRef) -> Piece:
    # The same digest may be asked for with another size by a damaged manifest.
    if len(data) != ref.size:
        raise damaged(ref, f"{ref.size} bytes were expected, but the chunk of this digest has {len(data)}")
    return data
