"""A mount of one file, of which every read is answered from memory: what reading through FUSE and pyfuse3 costs at the least.

usage: python -m tests.bench.bare_mount MOUNTPOINT SIZE     serves until it is unmounted; prints a line when it does
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pyfuse3
import trio

from artfs.mount.host import raise_background, raise_read_ahead
from artfs.mount.threads import MOST_BACKGROUND

FILE_NAME = "file"
_FILE_INODE = pyfuse3.InodeT(2)
_READ_AHEAD_KB = 1024
_FOR_EVER_S = 3600.0


class _OneFile(pyfuse3.Operations):
    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._bytes = memoryview(os.urandom(1 << 20) * 2)

    async def getattr(self, inode: pyfuse3.InodeT, ctx: pyfuse3.RequestContext | None = None) -> pyfuse3.EntryAttributes:
        attributes = pyfuse3.EntryAttributes()
        attributes.st_ino = inode
        is_file = inode == _FILE_INODE
        attributes.st_mode = stat.S_IFREG | 0o444 if is_file else stat.S_IFDIR | 0o555
        attributes.st_size = self._size if is_file else 0
        attributes.attr_timeout = attributes.entry_timeout = _FOR_EVER_S
        return attributes

    async def lookup(self, parent_inode: pyfuse3.InodeT, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        if name != FILE_NAME.encode():
            raise pyfuse3.FUSEError(2)
        return await self.getattr(_FILE_INODE, ctx)

    async def open(self, inode: pyfuse3.InodeT, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        return pyfuse3.FileInfo(fh=pyfuse3.FileHandleT(inode), keep_cache=True)

    async def read(self, fh: pyfuse3.FileHandleT, off: int, size: int) -> bytes:
        return self._bytes[: max(0, min(size, self._size - off))]  # type: ignore[return-value]  # any buffer is taken


async def _serve(mountpoint: Path) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_say_ready, mountpoint)
        await pyfuse3.main(min_tasks=4)


async def _say_ready(mountpoint: Path) -> None:
    await trio.to_thread.run_sync(os.stat, mountpoint)
    await trio.to_thread.run_sync(raise_read_ahead, mountpoint, _READ_AHEAD_KB)
    await trio.to_thread.run_sync(raise_background, mountpoint, MOST_BACKGROUND)
    print("ready", flush=True)


def main() -> None:
    mountpoint, size = Path(sys.argv[1]), int(sys.argv[2])
    pyfuse3.init(_OneFile(size), str(mountpoint), {"default_permissions", "fsname=bare"})
    try:
        trio.run(_serve, mountpoint)
    finally:
        pyfuse3.close(unmount=True)


if __name__ == "__main__":
    main()
