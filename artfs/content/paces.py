"""How far ahead a content reader reads, and how much it has under way: by where the object store is.

A store near by answers at once, so that little ahead hides all of its time. One that is far away gives its bandwidth only to those
who have bandwidth × delay under way, in several requests; and who reads many small files waits for each of them unless those that
come next are on their way. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from artfs.content.prefetch import CHUNK_PACE, Pace

_MIB = 1 << 20
#: Enough for 64 Gbit/s at a delay of 8 ms, or 25 Gbit/s at 20 ms.
_LARGEST_WINDOW = 64 * _MIB
#: A connection that loses packets is slow for seconds, and a reader waits for what it brings: so requests within a file are not too
#: large, and not so many that they fill the queue of a link at once. Over 20 ms and 1 Gbit/s, 256 MiB with `_EAGER` took 3.2 s
#: in place of 4.5 s with 8 MiB and 16 threads.
_MOST_STEP_WITHIN = 4 * _MIB
_BATCH_WITHIN = 8 * _MIB
#: Small files take a processor for longer than a fast link: 150 MB/s were seen here. So little of them is under way at once, and in
#: order; a slow connection keeps little back. The first window is a step for each thread, as a new connection takes a round trip
#: for each doubling of its speed. 10 000 files of 20 KiB over the same link: 4 400 a second, and 3 300 with 8 MiB, 16 threads and
#: a first window of 1 MiB.
_FIRST_ACROSS = 2 * _MIB
_LEAST_STEP_ACROSS = 256 << 10
_MOST_STEP_ACROSS = 2 * _MIB
_THREADS_AHEAD = 8
_COPY_THREADS = 16
#: A large file that is read from its beginning has the window of a fast link after 8 MiB.
_EAGER = 8
#: Of the memory, what one reader may have ahead, and what all may: half for those who read within files, half across.
_WINDOW_SHARE = 4
_BUDGET_SHARE = 4


@dataclass(frozen=True, slots=True)
class ReadingPaces:
    """`within` is for one file read from front to back, `across` for small files read in order, None where that does not pay.

    Copying a whole file reads pieces of `piece` bytes, of which up to `pieces_ahead` are under way, by `copy_threads` for all
    copies.
    """

    within: Pace = CHUNK_PACE
    across: Pace | None = None
    piece: int = _MIB
    pieces_ahead: int = 4
    copy_threads: int = 8


#: For a store on this machine.
NEAR = ReadingPaces()


def far(memory: int) -> ReadingPaces:
    """For a store behind a network, and `memory` bytes to keep chunks in, which may be few."""
    largest = min(_LARGEST_WINDOW, memory // _WINDOW_SHARE)
    within = Pace(
        eager=_EAGER,
        first=min(_MIB, largest),
        largest=largest,
        least_step=min(_MIB, largest),
        most_step=min(_MOST_STEP_WITHIN, largest),
        batch=min(_BATCH_WITHIN, largest),
        budget=memory // _BUDGET_SHARE,
        threads=_THREADS_AHEAD,
    )
    across = Pace(
        first=min(_FIRST_ACROSS, largest),
        largest=largest,
        least_step=min(_LEAST_STEP_ACROSS, largest),
        most_step=min(_MOST_STEP_ACROSS, largest),
        batch=min(_MOST_STEP_ACROSS, largest),
        budget=memory // _BUDGET_SHARE,
        threads=_THREADS_AHEAD,
    )
    piece = max(_MIB, min(_MOST_STEP_WITHIN, memory // 32))
    return ReadingPaces(within=within, across=across, piece=piece, pieces_ahead=8, copy_threads=_COPY_THREADS)
