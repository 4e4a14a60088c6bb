"""Bytes of the limit that are set apart for files elsewhere: the spools of contents that come only as a whole.

    reservation   NUMBER-BYTES.reserved1: an empty file, ten decimal digits and thirteen; its holder has a flock(2) on it

It counts from the moment at which its name is there, and is void as soon as nobody has the lock: a process that dies sets nothing
apart for ever. Any thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from artfs.chunks.disk_cache.locks import try_flock
from artfs.objectstore.open_files import OpenFile

_NAME = re.compile(r"[0-9]{10}-([0-9]{13})\.reserved1")
MOST = 10**13 - 1


class Reservation:
    """Some bytes, until this object is gone."""

    __slots__ = ("_file", "_path", "_process")

    def __init__(self, path: str, file: OpenFile) -> None:
        self._path = path
        self._file = file
        self._process = os.getpid()

    def __del__(self, unlink: Callable[[str], None] = os.unlink, getpid: Callable[[], int] = os.getpid) -> None:
        # Both are bound early: when the interpreter ends, the module's names may be gone before this object.
        if getpid() == self._process:  # a process that was forked has a copy
            try:
                unlink(self._path)
            except OSError:
                return  # void in a moment, with its lock


def reservation_name(number: int, size: int) -> str:
    return f"{number:010}-{size:013}.reserved1"


def parse_reservation(name: str) -> int | None:
    """The bytes that are set apart; None for the name of anything else."""
    match = _NAME.fullmatch(name)
    return None if match is None else int(match[1])


def is_void(path: str) -> bool:
    """Whether nobody holds the reservation any more."""
    try:
        file = OpenFile(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return try_flock(file.descriptor)
