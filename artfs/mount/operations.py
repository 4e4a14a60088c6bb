"""The FUSE handlers: from inode numbers to nodes and back, nothing else.

Threads: the event loop's only. The inode and handle tables are changed between two checkpoints, never across one: a lookup count
is raised right before the reply that carries it, so that a forget can never come first. What a node does runs in a thread unless
the node says that it is quick. A release counts the file as closed before its first checkpoint: pyfuse3 starts handlers in the
order of the requests, so that a rename that commits and comes after the last close finds no writer.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pyfuse3
import trio
from pyfuse3 import EntryAttributes, FileInfo, ReaddirToken, RequestContext, SetattrFields, StatvfsData

from artfs.errors import ArtfsError
from artfs.model.names import MAX_NAME_BYTES
from artfs.mount.failed_reads import FailedReads
from artfs.mount.guard import guard
from artfs.mount.handles import HandleTable, OpenListing
from artfs.mount.notify import Notifier
from artfs.mount.push import PagePusher
from artfs.mount.readdir import reply_dots, reply_listing, reply_rows
from artfs.mount.replies import asked_changes, make_reply, missing_reply, reply_of
from artfs.mount.threads import Threads
from artfs.vfs.artifact_nodes import ArtifactDirectory
from artfs.vfs.attributes import Attributes
from artfs.vfs.information import OpenInformation
from artfs.vfs.inodes import ROOT_INO, InodeTable
from artfs.vfs.listings import Listing, Listings
from artfs.vfs.node import Node, OpenFile, os_error
from artfs.vfs.problems import Problems
from artfs.vfs.scene import Scene
from artfs.vfs.staged_root import StagingRoot
from artfs.vfs.version_nodes import VersionDirectory, VersionFile

#: Reading more than this is mostly work that needs no interpreter: verifying and copying.
_LARGE_READ = 64 << 10


class ArtfsOperations(pyfuse3.Operations):
    """What the kernel can ask of the mount. What is not here (xattrs, access, flush) is ENOSYS once and never asked again."""

    supports_dot_lookup = False
    enable_writeback_cache = False

    def __init__(self, scene: Scene, root: Node, threads: Threads) -> None:
        super().__init__()
        self.scene = scene
        self.threads = threads
        self.inodes = InodeTable(root)
        self.handles = HandleTable()
        self.notifier = Notifier(self.inodes)
        self.pusher = PagePusher()
        scene.moved_listeners.append(self.notifier.moved)
        self._listings = Listings()
        self._failed = FailedReads()

    # for the guard

    @property
    def problems(self) -> Problems:
        return self.scene.problems

    def count(self, handler: str) -> None:
        self.scene.status.count(handler)

    def describe(self, handler: str, arguments: tuple[Any, ...]) -> str:
        """The path that a request is about."""
        first = arguments[0] if arguments and isinstance(arguments[0], int) else ROOT_INO  # statfs says no more than who asks
        if not HandleTable.is_inode(first):
            return self.handles.node(first).where or "/"
        inode = self.inodes.get(first)
        where = inode.node.where if inode else f"inode {first}"
        if len(arguments) > 1 and isinstance(arguments[1], bytes) and handler != "write":
            where = f"{where}/{_text(arguments[1])}".lstrip("/")
        return where or "/"

    # inodes

    def _node(self, ino: int) -> Node:
        inode = self.inodes.get(ino)
        if inode is None:
            raise os_error(errno.ESTALE, f"inode {ino}")
        return inode.node

    def _admit(self, node: Node, attributes: Attributes) -> EntryAttributes:
        return reply_of(self.inodes.admit(node), attributes)

    @guard
    async def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        parent, child_name = self._node(parent_inode), _text(name)
        listing = self._listings.get(parent.key) if parent.is_immutable else None
        found: tuple[Node, Attributes] | None
        if listing is not None:
            row = listing.by_name.get(child_name)
            found = (row.node, row.node.glance()) if row else None
        else:
            run = self.threads.read if isinstance(parent, VersionDirectory) else self.threads.run
            found = await run(parent.lookup_with_attributes, child_name)
        if found is None:
            return missing_reply(parent.missing_timeout_s)
        await self._let_names_settle(parent_inode, *found)
        return self._admit(*found)

    async def _let_names_settle(self, parent_ino: int, node: Node, _attributes: Attributes) -> None:
        """Names of an artifact are being told to the kernel: before it goes on to look at them, it shall have heard."""
        if isinstance(node, StagingRoot):
            await self.notifier.pushed(parent_ino)
        elif isinstance(node, ArtifactDirectory) and (inode := self.inodes.find(node.key)):
            await self.notifier.pushed(inode.ino)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        self.inodes.forget(inode_list)

    @guard
    async def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        node = self._node(inode)
        if node.is_quick:
            return make_reply(inode, node.attributes())
        origin = node.asks
        run = self.threads.run if origin is None else functools.partial(self.threads.read, origin=origin)
        return make_reply(inode, await run(node.attributes))

    @guard
    async def setattr(
        self, inode: int, attr: EntryAttributes, fields: SetattrFields, fh: int | None, ctx: RequestContext
    ) -> EntryAttributes:
        file = None if fh is None or HandleTable.is_inode(fh) else self.handles.file(fh)
        node = self._node(inode)
        return make_reply(inode, await self._changing(node)(node.change, asked_changes(attr, fields), file))

    @guard
    async def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        node = self._node(inode)
        target = node.readlink() if node.is_quick else await self.threads.run(node.readlink)
        return os.fsencode(target)

    # names

    @guard
    async def mknod(self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext) -> EntryAttributes:
        if not stat.S_ISREG(mode):
            raise os_error(errno.EPERM, _text(name))
        parent = self._node(parent_inode)
        node, file, attributes = await self.threads.run(
            _create, parent, _text(name), os.O_WRONLY | os.O_EXCL, mode, discard=_discard_created
        )
        await self._close(file)
        return self._admit(node, attributes)

    @guard
    async def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: RequestContext) -> EntryAttributes:
        return self._admit(*await self.threads.run(_make, self._node(parent_inode).mkdir, _text(name), mode))

    @guard
    async def symlink(self, parent_inode: int, name: bytes, target: bytes, ctx: RequestContext) -> EntryAttributes:
        return self._admit(*await self.threads.run(self._node(parent_inode).symlink, _text(name), _text(target)))

    @guard
    async def link(self, inode: int, new_parent_inode: int, new_name: bytes, ctx: RequestContext) -> EntryAttributes:
        node, parent = self._node(inode), self._node(new_parent_inode)
        return self._admit(*await self.threads.change(_make, parent.link, node, _text(new_name)))

    @guard
    async def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        await self.threads.run(self._node(parent_inode).unlink, _text(name))

    @guard
    async def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        await self.threads.run(self._node(parent_inode).rmdir, _text(name))

    @guard
    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: RequestContext,
    ) -> None:
        old, new = self._node(parent_inode_old), self._node(parent_inode_new)
        # Out of staging it is a commit, which takes as long as it takes.
        run = self.threads.finish if isinstance(old, StagingRoot) else self.threads.run
        await run(old.rename_to, _text(name_old), new, _text(name_new), flags)

    # files

    @guard
    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        parent = self._node(parent_inode)
        node, file, attributes = await self.threads.run(_create, parent, _text(name), flags, mode, discard=_discard_created)
        handle = self.handles.add_file(node, file)
        return FileInfo(fh=handle, direct_io=file.direct_io, keep_cache=file.keep_cache), self._admit(node, attributes)

    @guard
    async def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        node = self._node(inode)
        if isinstance(node, VersionFile):
            node.open(flags)
            if self.scene.touched.is_new(node.view.version):
                await self.threads.run(self.scene.touched.record, node.view.version)
            return FileInfo(fh=inode, keep_cache=True)
        run = self.threads.run if flags & os.O_ACCMODE == os.O_RDONLY else self._changing(node)
        file = await run(node.open, flags, discard=_discard_opened)
        if file is None:
            return FileInfo(fh=inode, keep_cache=True)
        return FileInfo(fh=self.handles.add_file(node, file), direct_io=file.direct_io, keep_cache=file.keep_cache)

    @guard
    async def read(self, fh: int, off: int, size: int) -> bytes:
        if HandleTable.is_inode(fh):
            opened: Node | OpenFile = self._node(fh)
            if isinstance(opened, VersionFile):
                self.pusher.note(fh, opened, off, size)
                # In memory, and so without the way through a thread.
                data = opened.read_now(off, size)
                if data is not None:
                    return cast("bytes", data)
        else:
            opened = self.handles.file(fh)
            if isinstance(opened, OpenInformation):  # in memory, too
                return opened.read(off, size)
        self._failed.check(fh, off, size)
        begun_s = trio.current_time()
        try:
            data = await self.threads.read(opened.read, off, size, origin=opened.origin, is_large=size > _LARGE_READ)
            return cast("bytes", data)  # any buffer will do
        except (ArtfsError, OSError) as error:
            self._failed.remember(fh, off, size, error, trio.current_time() - begun_s)
            raise

    @guard
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        return await self.threads.run(self.handles.file(fh).write, off, buf)

    @guard
    async def fsync(self, fh: int, datasync: bool) -> None:
        if not HandleTable.is_inode(fh):
            await self.threads.run(functools.partial(self.handles.file(fh).fsync, data_only=datasync))

    @guard
    async def release(self, fh: int) -> None:
        file = None if HandleTable.is_inode(fh) else self.handles.take_file(fh)
        if file is not None:
            await self._close(file)

    def _changing(self, node: Node) -> Callable[..., Awaitable[Any]]:
        """What runs a change of a file in staging, which may have to bring its bytes first."""
        origin = node.origin
        return self.threads.change if origin is None else functools.partial(self.threads.bring, origin)

    async def _close(self, file: OpenFile) -> None:
        file.let_go()  # before any checkpoint: see the top
        await self.threads.run(file.close)

    # directories

    @guard
    async def opendir(self, inode: int, ctx: RequestContext) -> int:
        node = self._node(inode)
        if node.is_immutable:
            return inode
        return self.handles.add_listing(OpenListing(node))

    @guard
    async def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        if HandleTable.is_inode(fh):
            listing = await self._listing(self._node(fh))
            if reply_dots(token, fh, start_id):
                reply_listing(token, self.inodes, listing, start_id)
        else:
            opened = self.handles.listing(fh)
            rows = await self.threads.run(opened.rows_from, max(start_id - 2, 0))
            inode = self.inodes.find(opened.node.key)
            ino = inode.ino if inode else ROOT_INO
            if reply_dots(token, ino, start_id):
                reply_rows(token, self.inodes, rows)

    async def _listing(self, node: Node) -> Listing:
        key = node.key
        return self._listings.get(key) or self._listings.put(key, await self.threads.read(node.list))

    @guard
    async def releasedir(self, fh: int) -> None:
        self.handles.take_listing(fh)

    @guard
    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        if not HandleTable.is_inode(fh):
            await self.threads.run(self.handles.listing(fh).node.fsync_directory)

    @guard
    async def statfs(self, ctx: RequestContext) -> StatvfsData:
        """The room there is for staging."""
        found = await self.threads.run(os.statvfs, self.scene.repository.config.state_dir)
        reply = StatvfsData()
        for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail"):
            setattr(reply, name, getattr(found, name))
        reply.f_namemax = MAX_NAME_BYTES
        return reply


def _text(name: bytes) -> str:
    return os.fsdecode(name)


def _make(make: Callable[..., Node], *arguments: Any) -> tuple[Node, Attributes]:
    """What was made with its attributes, in one way into a thread and back."""
    node = make(*arguments)
    return node, node.attributes()


def _create(parent: Node, name: str, flags: int, mode: int) -> tuple[Node, OpenFile, Attributes]:
    """The same for a file, which does not stay open when the kernel will not hear of it."""
    node, file = parent.create(name, flags, mode)
    try:
        return node, file, node.attributes()
    except BaseException:
        _discard_opened(file)
        raise


def _discard_opened(file: OpenFile | None) -> None:
    """Nobody waited for the file that was opened."""
    if file is not None:
        file.let_go()
        file.close()


def _discard_created(created: tuple[Node, OpenFile, Attributes]) -> None:
    _discard_opened(created[1])
