"""Memory to read files into, used again and again: the kernel takes longer to find fresh pages than to read a file into them.

Not thread-safe: buffers are taken and given back in one thread; what is in them may be used by another in between.
"""

from __future__ import annotations

from artfs.chunks.pack_buffer import allocate

#: Less than this is not worth keeping: one small file, added by itself.
_SHORT_SIZE = 1 << 20


class Buffers:
    """Buffers of `usual_size` bytes, or more where more is asked for."""

    def __init__(self, usual_size: int) -> None:
        self._usual_size = usual_size
        self._free: list[memoryview] = []

    def take(self, size: int) -> memoryview:
        """A buffer of at least `size` bytes; what is in it is of no meaning."""
        for index, buffer in enumerate(self._free):
            if len(buffer) >= size:
                return self._free.pop(index)
        return memoryview(bytearray(size)) if size < _SHORT_SIZE else allocate(max(size, self._usual_size))

    def give_back(self, buffer: memoryview) -> None:
        """The buffer may be filled with something else: nobody reads it any more."""
        if len(buffer) >= self._usual_size:
            self._free.append(buffer)
