"""Ranges of references, in blocks kept in the memory that chunks are kept in, and fetched once however many readers wait.

A range is asked for in whole blocks, so that readers of neighbouring bytes meet; blocks missing side by side are one request. A
small file is one request as a whole. Homes that give nothing but the whole of a large file fill a spool, which is then read from.

What a large request has brought in one buffer is kept as it came: under the key of each block is a view that begins with the block
and goes on to the end of the buffer. So most reads are a part of one view, and nothing is copied. The memory counts whole buffers.

Any thread; without state of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from artfs.chunks.shared_fetches import SharedFetches
from artfs.cloud.buckets import LEAST_OWN
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
#: Of a small memory a buffer must not be too large a part.
_VIEWED_SHARE = 16

_Key = tuple[Digest, int]


class ReferenceBlocks:
    """Blocks of what `fetches` gives, kept in `shared`."""

    def __init__(self, fetches: ReferenceFetches, shared: SharedFetches, spools: Spools) -> None:
        self._fetches = fetches
        self._shared = shared
        self._spools = spools
        self._small = min(_SMALL, shared.memory // _SMALL_SHARE)
        self._most_viewed = shared.memory // _VIEWED_SHARE

    def is_small(self, size: int) -> bool:
        """True if a file of `size` bytes is fetched as a whole."""
        return size <= self._small

    def read(self, pinned: Pinned, size: int, offset: int, end: int) -> Piece:
        """The bytes from `offset` up to `end`, which is not beyond `size`, the end of the content."""
        keys = self._keys(pinned, size, offset, end)
        found = self._shared.get(dict.fromkeys(keys), partial(self._fetch, pinned, size))
        data = _assemble(pinned, offset, end, found.get)
        if data is None:  # all blocks are there, but one is the last of a shorter file
            raise wrong_size(pinned, size)
        return data

    def peek(self, pinned: Pinned, offset: int, end: int) -> Piece | None:
        """The same if all of it is in memory. Does not wait."""
        return _assemble(pinned, offset, end, self._shared.peek)

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

    def _fetch(self, pinned: Pinned, size: int, own: dict[_Key, None]) -> dict[_Key, Piece]:
        fetched: dict[_Key, Piece] = {}
        for run in _runs(number for _, number in own):
            start, stop = run.start * BLOCK, min(run.stop * BLOCK, size)
            self._shared.reserve(stop - start)  # not to be held beside a full cache (I7)
            try:
                fetched.update(self._fetch_range(pinned, size, start, stop))
            finally:
                self._shared.release(stop - start)
        return fetched

    def _fetch_range(self, pinned: Pinned, size: int, start: int, stop: int) -> dict[_Key, Piece]:
        length = stop - start
        answer = self._fetches.ask(pinned, start, length)
        try:
            pieces, total = take(answer.pieces, size if self.is_small(size) else length if answer.start == start else 0)
        except BaseException:
            close_pieces(answer)
            raise
        if answer.start != start or total > length:  # the whole, or what nobody has asked for
            return self._from_whole(pinned, size, (start, stop), answer, pieces)
        close_pieces(answer)
        if total < length:
            raise wrong_size(pinned, start + total)
        if len(pieces) == 1 and LEAST_OWN <= total <= self._most_viewed:
            return _views(pinned, start, memoryview(pieces[0]))
        return _blocks(pinned, start, pieces)

    def _from_whole(
        self, pinned: Pinned, size: int, wanted: tuple[int, int], answer: Fetched, pieces: list[Piece]
    ) -> dict[_Key, Piece]:
        if answer.start == 0 and not self.is_small(size):
            spool = self._spools.fill(pinned, answer, pieces)  # the answer is its thread's from here on
            return _blocks(pinned, wanted[0], [spool.read(*wanted)])
        close_pieces(answer)
        if answer.start != 0:
            raise sent_something_else(pinned)
        total = sum(map(len, pieces))
        if total != size:
            raise wrong_size(pinned, total)
        return _blocks(pinned, 0, pieces)


def _blocks(pinned: Pinned, start: int, pieces: Iterable[Piece]) -> dict[_Key, Piece]:
    return {(pinned.key, number): block for number, block in enumerate(cut(pieces, BLOCK), start // BLOCK)}


def _views(pinned: Pinned, start: int, buffer: memoryview) -> dict[_Key, Piece]:
    return {(pinned.key, (start + at) // BLOCK): buffer[at:] for at in range(0, len(buffer), BLOCK)}


def _assemble(pinned: Pinned, offset: int, end: int, get: Callable[[_Key], Piece | None]) -> Piece | None:
    """The range out of what `get` has under the keys of blocks; None where it has nothing.

    Or where a block ends early: a key does not tell the size, which a manifest may have wrong.
    """
    pieces: list[Piece] = []
    position = offset // BLOCK * BLOCK
    while position < end:
        data = get((pinned.key, position // BLOCK))
        if data is None or (len(data) % BLOCK and position + len(data) < end):
            return None
        pieces.append(memoryview(data)[max(0, offset - position) : end - position])
        position += len(data)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _runs(numbers: Iterable[int]) -> list[range]:
    """The block numbers, which ascend, grouped by what one request shall bring."""
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number and len(runs[-1]) < MOST_AT_ONCE // BLOCK:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs
