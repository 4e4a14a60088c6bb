"""The folder of a cache: how it is made, and what it must be before anything is kept in it. Any thread."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from artfs.config import make_private_folder

#: Tells backup programs to leave the folder out: https://bford.info/cachedir/
TAG_NAME = "CACHEDIR.TAG"
_TAG = b"""Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by artfs.
# For information about cache directory tags, see https://bford.info/cachedir/
"""


class FolderNotUsable(Exception):
    """The folder cannot hold a cache; the message is the reason and the remedy."""


def check_folder(folder: Path) -> None:
    """Raise FolderNotUsable unless the folder is one of our own that can be written to, or FileNotFoundError."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FolderNotUsable(f"{error.strerror}: set ARTFS_HOME or XDG_CACHE_HOME to another folder") from error
    if not stat.S_ISDIR(found.st_mode):
        raise FolderNotUsable("it is a file: move it away")
    if found.st_uid != os.geteuid():
        raise FolderNotUsable(f"it belongs to user {found.st_uid}: set ARTFS_HOME or XDG_CACHE_HOME to a folder of your own")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FolderNotUsable("it cannot be written to: make it writable, or set ARTFS_HOME or XDG_CACHE_HOME to a folder that is")


def make_folder(folder: Path) -> None:
    """Make the folder, with its tag, for its owner alone. Raises FolderNotUsable."""
    try:
        make_private_folder(folder)
        check_folder(folder)
        tag = folder / TAG_NAME
        if not tag.exists():
            tag.write_bytes(_TAG)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise FolderNotUsable("the disk is full: make room there") from error
        remedy = "make it a folder that you can write to, or set ARTFS_HOME or XDG_CACHE_HOME to another one"
        raise FolderNotUsable(f"it cannot be made ({error.strerror}): {remedy}") from error
