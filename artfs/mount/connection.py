"""Whether the kernel still has the mount: when it was taken away, nobody waits any more for what is being read for it.

The FUSE library tells that only to those of its tasks that wait for requests, and not to those that answer one. Nothing here takes
a request. Quick; any thread.
"""

from __future__ import annotations

import contextlib
import select
from pathlib import Path

from artfs.mount.host import FUSE_DEVICE

_DESCRIPTORS = Path("/proc/self/fd")


def fuse_descriptors() -> frozenset[int]:
    """The descriptors of this process that are connections to FUSE."""
    found = set()
    for link in _DESCRIPTORS.iterdir():
        with contextlib.suppress(OSError):  # that of the directory itself is closed by now
            if link.readlink() == FUSE_DEVICE:
                found.add(int(link.name))
    return frozenset(found)


def has_ended(descriptor: int) -> bool:
    """True when the kernel has given up the connection: the mount is gone, and no file in it is open."""
    asked = select.poll()
    asked.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in asked.poll(0))
