"""Ranges of references, in blocks kept in the memory that chunks are kept in, and fetched once however many readers wait.

A range is asked for in whole blocks, so that readers of neighbouring bytes meet; blocks missing side by side are one request. A
small file is one request as a whole. Homes that give nothing but the whole of a large file fill a spool, which is then read from.

Any thread; without state of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from artfs.chunks.shared_fetches import SharedFetches
from artfs.content.reference_fetches import (
    ReferenceFetches,
    close_pieces,
    cut,
    sent_something_else,
    take,
    wrong_size,
)
from artfs.content.reference_pins import Pinned
from artfs.content.spools import Spools
from artfs.model.digest import Digest
from artfs.references.protocol import Fetched, Piece

#: Kept and asked for in units of this.
BLOCK = 64 << 10
#: Most bytes of one request.
MOST_AT_ONCE = 8 << 20
#: A file up to this size is one request. Less where there is little memory: it must not be asked for again for each range.
_SMALL = 1 << 20
_SMALL_SHARE = 8

_Key = tuple[Digest, int]


class ReferenceBlocks:
    """Blocks of what `fetches` gives, kept in `shared`."""

    def __init__(self, fetches: ReferenceFetches, shared: SharedFetches, spools: Spools) -> None:
        self._fetches = fetches
        self._shared = shared
        self._spools = spools
        self._small = min(_SMALL, shared.memory // _SMALL_SHARE)

    def is_small(self, size: int) -> bool:
        """True if a file of `size` bytes is fetched as a whole."""
        return size <= self._small

    def read(self, pinned: Pinned, size: int, offset: int, end: int) -> bytes:
        """The bytes from `offset` up to `end`, which is not beyond `size`, the end of the content."""
        keys = self._keys(pinned, size, offset, end)
        found = self._shared.get(dict.fromkeys(keys), partial(self._fetch, pinned, size))
        first = keys[0][1]
        blocks = [found[key] for key in keys[offset // BLOCK - first : (end - 1) // BLOCK - first + 1]]
        start = offset // BLOCK * BLOCK
        if len(blocks) == 1:
            return blocks[0][offset - start : end - start]
        blocks[0] = blocks[0][offset - start :]
        blocks[-1] = blocks[-1][: end - (end - 1) // BLOCK * BLOCK]
        return b"".join(blocks)

    def bring(self, pinned: Pinned, size: int, offset: int, length: int) -> None:
        """Have the bytes in memory for those who come to read them. The first block belongs to who reads its beginning."""
        offset, end = -(-offset // BLOCK) * BLOCK, offset + length
        if offset < end:
            keys = self._keys(pinned, size, offset, end)
            self._shared.get(dict.fromkeys(keys), partial(self._fetch, pinned, size))

    def put_whole(self, pinned: Pinned, pieces: Iterable[Piece]) -> None:
        """Keep a small content that has come as a whole."""
        blocks = _blocks(pinned, 0, pieces)
        self._shared.get(dict.fromkeys(blocks), lambda _: blocks)

    def _keys(self, pinned: Pinned, size: int, offset: int, end: int) -> list[_Key]:
        if self.is_small(size):
            offset, end = 0, size
        return [(pinned.key, number) for number in range(offset // BLOCK, (end - 1) // BLOCK + 1)]

    def _fetch(self, pinned: Pinned, size: int, own: dict[_Key, None]) -> dict[_Key, bytes]:
        fetched: dict[_Key, bytes] = {}
        for run in _runs(number for _, number in own):
            start, stop = run.start * BLOCK, min(run.stop * BLOCK, size)
            self._shared.reserve(stop - start)  # not to be held beside a full cache (I7)
            try:
                fetched.update(self._fetch_range(pinned, size, start, stop))
            finally:
                self._shared.release(stop - start)
        return fetched

    def _fetch_range(self, pinned: Pinned, size: int, start: int, stop: int) -> dict[_Key, bytes]:
        length = stop - start
        answer = self._fetches.ask(pinned, start, length)
        try:
            pieces, total = take(answer.pieces, size if self.is_small(size) else length if answer.start == start else 0)
            if answer.start != start or total > length:  # the whole, or what nobody has asked for
                return self._from_whole(pinned, size, (start, stop), answer, pieces)
        except BaseException:
            close_pieces(answer)
            raise
        close_pieces(answer)
        if total < length:
            raise wrong_size(pinned, start + total)
        return _blocks(pinned, start, pieces)

    def _from_whole(
        self, pinned: Pinned, size: int, wanted: tuple[int, int], answer: Fetched, pieces: list[Piece]
    ) -> dict[_Key, bytes]:
        if answer.start != 0:
            raise sent_something_else(pinned)
        if not self.is_small(size):
            spool = self._spools.fill(pinned, answer, pieces)
            return _blocks(pinned, wanted[0], [spool.read(*wanted)])
        close_pieces(answer)
        total = sum(map(len, pieces))
        if total != size:
            raise wrong_size(pinned, total)
        return _blocks(pinned, 0, pieces)


def _blocks(pinned: Pinned, start: int, pieces: Iterable[Piece]) -> dict[_Key, bytes]:
    return {(pinned.key, number): block for number, block in enumerate(cut(pieces, BLOCK), start // BLOCK)}


def _runs(numbers: Iterable[int]) -> list[range]:
    """The block numbers, which ascend, grouped by what one request shall bring."""
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number and len(runs[-1]) < MOST_AT_ONCE // BLOCK:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs
