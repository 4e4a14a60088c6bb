"""From attributes to what pyfuse3 sends to the kernel. No I/O; runs on the event loop."""

from __future__ import annotations

import os
import stat

import pyfuse3

from artfs.vfs.attributes import FOREVER_S, Attributes, Changes
from artfs.vfs.inodes import Inode

#: What programs take as a good size for reading.
_BLOCK_SIZE = 128 * 1024
_UID = os.getuid()
_GID = os.getgid()


def make_reply(ino: int, attributes: Attributes) -> pyfuse3.EntryAttributes:
    """The attributes of an inode as pyfuse3 wants them."""
    reply = pyfuse3.EntryAttributes()
    reply.st_ino = ino
    reply.st_mode = attributes.mode
    reply.st_nlink = attributes.nlink
    reply.st_uid = _UID
    reply.st_gid = _GID
    reply.st_size = attributes.size
    reply.st_blocks = attributes.block_count
    reply.st_blksize = _BLOCK_SIZE
    reply.st_mtime_ns = attributes.mtime_ns
    reply.st_ctime_ns = attributes.mtime_ns if attributes.ctime_ns is None else attributes.ctime_ns
    reply.st_atime_ns = attributes.mtime_ns if attributes.atime_ns is None else attributes.atime_ns
    reply.entry_timeout = attributes.entry_timeout_s
    reply.attr_timeout = attributes.attr_timeout_s
    return reply


def reply_of(inode: Inode, attributes: Attributes) -> pyfuse3.EntryAttributes:
    """The same; made once for what never changes, which goes before what was known of it earlier."""
    if isinstance(inode.reply, pyfuse3.EntryAttributes):
        return inode.reply
    reply = make_reply(inode.ino, attributes)
    if attributes.entry_timeout_s >= FOREVER_S and attributes.attr_timeout_s >= FOREVER_S:
        inode.reply = reply
    return reply


def missing_reply(timeout_s: float) -> pyfuse3.EntryAttributes:
    """There is no such name, and the kernel may remember that."""
    reply = pyfuse3.EntryAttributes()
    reply.st_ino = 0
    reply.entry_timeout = timeout_s
    return reply


def dot_reply(ino: int) -> pyfuse3.EntryAttributes:
    """`.` or `..` in a listing."""
    reply = pyfuse3.EntryAttributes()
    reply.st_ino = ino
    reply.st_mode = stat.S_IFDIR
    return reply


def asked_changes(attributes: pyfuse3.EntryAttributes, fields: pyfuse3.SetattrFields) -> Changes:
    """What setattr asks for."""
    return Changes(
        mode=attributes.st_mode if fields.update_mode else None,
        size=attributes.st_size if fields.update_size else None,
        atime_ns=attributes.st_atime_ns if fields.update_atime else None,
        mtime_ns=attributes.st_mtime_ns if fields.update_mtime else None,
    )
