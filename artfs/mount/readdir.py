"""Answers to readdirplus: each entry comes with its attributes, and counts as a lookup once the kernel has got it.

Entry number n of a directory has the offset n + 2, after `.` and `..`; a reply goes on where the kernel says the last one ended.
Runs on the event loop between two checkpoints, as it changes the inode table.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pyfuse3

from artfs.mount.replies import dot_reply, reply_of
from artfs.vfs.inodes import InodeTable
from artfs.vfs.listings import Listing
from artfs.vfs.node import Listed


def reply_dots(token: pyfuse3.ReaddirToken, ino: int, start_id: int) -> bool:
    """`.` and `..`, of which the kernel takes no lookup count and looks at nothing but the kind. False when there is no room."""
    return all(pyfuse3.readdir_reply(token, b"." * (index + 1), dot_reply(ino), index + 1) for index in range(start_id, 2))


def reply_rows(token: pyfuse3.ReaddirToken, inodes: InodeTable, rows: Sequence[tuple[int, Listed]]) -> None:
    """Entries with their numbers, as many as there is room for."""
    for index, row in rows:
        inode = inodes.admit(row.node)
        if not pyfuse3.readdir_reply(token, os.fsencode(row.name), reply_of(inode, row.attributes), index + 3):
            inodes.forget([(inode.ino, 1)])
            return


def reply_listing(token: pyfuse3.ReaddirToken, inodes: InodeTable, listing: Listing, start_id: int) -> None:
    """The same for what never changes, where it is worth to be quick: each entry keeps its inode while the kernel knows it."""
    reply, names, known = pyfuse3.readdir_reply, listing.names, listing.inodes
    for index in range(max(start_id - 2, 0), len(names)):
        inode = known[index]
        if inode is None or inode.lookups <= 0:
            inode = known[index] = inodes.admit(listing.rows[index].node)
        else:
            inode.lookups += 1
        # What is not for ever is made anew: the size of a reference that nobody has asked for when it was listed.
        attributes = inode.reply or reply_of(inode, inode.node.glance())
        if not reply(token, names[index], attributes, index + 3):
            inodes.forget([(inode.ino, 1)])
            return
