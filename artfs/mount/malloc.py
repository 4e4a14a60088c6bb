"""How the C library hands out memory in the process of a mount: what was freed is used again, instead of going back to the kernel.

A mount that reads moves a stream of buffers of 1 to 8 MiB. By default each of them is mapped anew, and the kernel clears every page
of it. Seen here, reading 1 GiB of references: 175 000 page faults and 2.1 s of CPU without this, 80 000 and 1.5 s with it.

Linux with glibc only; anywhere else nothing happens. Called once, before there are threads.
"""

from __future__ import annotations

import ctypes

#: The numbers of <malloc.h>.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
#: Larger than any buffer of ours: the most that glibc takes.
_MAPPED_FROM = 32 << 20
#: So much stays here when a burst is over.
_KEPT = 64 << 20


def keep_freed_memory() -> None:
    """One heap for all threads, as a buffer is filled in one and freed in another, and up to 64 MiB of it kept when it is free."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _MAPPED_FROM), (_TRIM_THRESHOLD, _KEPT)):
            mallopt(setting, value)
