"""Comparing a downloaded file with the reference that it was downloaded from. Changes nothing.

What identifies the content at its home (an ETag, a version) cannot be computed from the bytes. So a file that has the recorded size
and time is taken to be the one that was downloaded; in doubt a recorded digest, or the bytes at the home, tell.
"""

from __future__ import annotations

import os
import stat

from artfs.content.reader import ContentReader
from artfs.errors import ArtfsError
from artfs.model.counted import counted
from artfs.model.digest import format_digest
from artfs.model.entry import Entry
from artfs.references.changed import recorded_digest
from artfs.repository.local_tree import digest_of_file, open_file


def is_downloaded(reader: ContentReader, entry: Entry, directory: int) -> bool:
    """True if what is called `entry.name` in `directory` is the content of the reference already, as far as can be told here.

    Its home is asked for the size where none was recorded; raises what it answers.
    """
    try:
        found = os.stat(entry.name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode) or found.st_size != reader.size(entry, anew=True):
        return False
    return found.st_mtime_ns == entry.mtime_ns or bool(_has_digest(entry, directory))


def why_not_same(reader: ContentReader, entry: Entry, directory: int) -> str | None:
    """What is wrong with a regular file, in the words of `compare`, or None. Its bytes are compared in doubt."""
    found = os.stat(entry.name, dir_fd=directory, follow_symlinks=False)
    try:
        size = reader.size(entry, anew=True)
        if found.st_size != size:
            return f"has {counted(found.st_size, 'byte')} instead of {size}"
        if found.st_mtime_ns == entry.mtime_ns:
            return None
        is_same = _has_digest(entry, directory)
        if is_same is None:
            is_same = _has_bytes(reader, entry, directory)
    except ArtfsError as error:
        return f"cannot be compared with what was recorded: {error}"
    return None if is_same else "has different content"


def _has_digest(entry: Entry, directory: int) -> bool | None:
    """True if the file has the recorded digest; None where none was recorded."""
    digest = None if entry.reference is None else recorded_digest(entry.reference)
    return None if digest is None else format_digest(digest_of_file(entry.name, directory)) == digest


def _has_bytes(reader: ContentReader, entry: Entry, directory: int) -> bool:
    with open(open_file(entry.name, directory), "rb") as file:
        return all(file.read(len(piece)) == piece for piece in reader.iter_bytes(entry)) and not file.read(1)
