"""Which file systems stamp their files truthfully, so that an unchanged stamp means an unchanged file.

The memo rests on the kernel setting a file's ctime, which nobody can set back, and on inode numbers that stay. A FUSE file system
makes both up; that of artfs itself gives out inode numbers anew at each mount, and a ctime that follows from the version. There an
equal stamp may be another file. Reads `/proc/self/mountinfo`; any thread, each answer stands alone.
"""

from __future__ import annotations

import os
from pathlib import Path

MOUNT_INFO = Path("/proc/self/mountinfo")


def fuse_devices(mount_info: Path = MOUNT_INFO) -> frozenset[int]:
    """The devices (`st_dev`) that are FUSE file systems; none where the kernel does not tell."""
    try:
        lines = mount_info.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(device for device in map(_fuse_device, lines) if device is not None)


def _fuse_device(line: str) -> int | None:
    # id parent major:minor root mountpoint options [tags] - type source options; a `fuseblk` is a disk with true times.
    head, _, tail = line.partition(" - ")
    kind = tail.partition(" ")[0]
    if kind != "fuse" and not kind.startswith("fuse."):
        return None
    try:
        major, _, minor = head.split(" ")[2].partition(":")
        return os.makedev(int(major), int(minor))
    except (IndexError, ValueError):
        return None
