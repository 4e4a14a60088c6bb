"""Where files are cut into chunks: FastCDC 2020 (content-defined), with parameters that are part of the format.

    average    64 KiB    docs/decisions/0001-average-chunk-size.md has the figures
    smallest   16 KiB
    largest    256 KiB
    normalised 2
    the rest   once AVERAGE_SIZE bytes or less are left of a file, they are one chunk: a small file is never cut

Never change these: the same bytes cut in another way share no chunks with what is stored, and an unchanged file of several chunks
would be stored again. Where a chunk ends depends on its own bytes and on whether the file ends soon behind it, so the chunks of a
file are the same however its bytes were divided into windows.

Nothing is read or copied here. Safe to call from any thread; the compiled core releases the GIL.
"""

from __future__ import annotations

from pyfastcdc import FastCDC

AVERAGE_SIZE = 64 << 10
MIN_SIZE = 16 << 10
MAX_SIZE = 256 << 10
#: A window that is not final must be longer than this, or there may be nothing to return.
MAX_REST = MAX_SIZE + AVERAGE_SIZE
_cutter = FastCDC(avg_size=AVERAGE_SIZE, min_size=MIN_SIZE, max_size=MAX_SIZE, normalized_chunking=2)


def cut(window: memoryview, *, final: bool) -> list[memoryview]:
    """The chunks of `window`, which begins where a chunk begins: at the start of the file or of the rest carried over.

    With `final` the file ends with the window and the chunks cover it. Else they cover it up to a rest of at most MAX_REST bytes,
    which the caller puts before the bytes that follow.
    """
    size = len(window)
    if size <= AVERAGE_SIZE:
        return [window] if final and size else []
    chunks: list[memoryview] = []
    end = 0
    for piece in _cutter.cut_buf(window):
        end += piece.length
        if not final and end == size:
            break  # it may be longer once there are more bytes
        chunks.append(piece.data)
        if size - end <= AVERAGE_SIZE:
            if final and end < size:
                chunks.append(window[end:])
            break
    return chunks
