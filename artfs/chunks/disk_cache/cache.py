"""`DiskCache`: chunks of packs that are far away, kept in segments on a local disk.

Nothing of the folder is touched before the first chunk is asked for or kept, and nothing is loaded: a command that reads one chunk
pays for one. It never fails who reads: a folder that cannot be used, a full disk and damage make a warning at most, and chunks that
are not here. Any thread; a process that was forked from one that has a cache opens it anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from typing_extensions import Buffer

from artfs.chunks.chunk_cache import ChunkCache
from artfs.chunks.disk_cache.disk import FULL, Disk
from artfs.chunks.disk_cache.folder import FolderNotUsable, check_folder, make_folder
from artfs.chunks.disk_cache.pin_list import PinList, read_pin_lists
from artfs.chunks.disk_cache.pins import Pins
from artfs.chunks.disk_cache.room import MIN_LIMIT, Room
from artfs.chunks.disk_cache.shelf import Counts, Shelf
from artfs.chunks.disk_cache.verify import CacheReport, verify_shelf
from artfs.errors import ArtfsError, Busy, ConfigNotValid, StoreFull
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef

logger = logging.getLogger(__name__)

#: After something has failed, it is not tried again for so long.
_PAUSE_S = 10.0


class DiskCache:
    """At most `limit` bytes in `folder`, made when the first chunk is kept. ConfigNotValid for a limit that is too small."""

    def __init__(self, folder: Path, limit: int, *, disk: Disk | None = None) -> None:
        if limit < MIN_LIMIT:
            raise ConfigNotValid(
                f"a cache of {limit} bytes on disk is too small to be of use: set cache_limit to {MIN_LIMIT >> 20}MiB or more, "
                "or to 0 for none"
            )
        self.folder = folder
        self.limit = limit
        self._disk = Disk() if disk is None else disk
        self._counts = Counts()
        self._warned: set[str] = set()
        self._paused_until_s = 0.0
        self._why = ""
        self._shelf: Shelf | None = None
        self._lock = threading.Lock()

    def get(self, refs: Sequence[ChunkRef]) -> dict[Digest, bytes]:
        """The plain bytes of those of the chunks that are here, each verified against its digest (I3)."""
        found: dict[Digest, bytes] = {}
        try:
            shelf = self._open(make=False)
            if shelf is not None:
                for held in shelf.read(refs):
                    found[held.ref.digest] = held.plain
        except FileNotFoundError:
            self._shelf = None  # somebody has removed the folder: it is made again when a chunk is kept
        except OSError as error:
            self._warn(f"the cache in {self.folder} cannot be read ({error}); artfs goes on without")
        self._counts.hits += len(found)
        self._counts.misses += len(refs) - len(found)
        self._counts.bytes_read += sum(map(len, found.values()))
        return found

    def find(self, refs: Sequence[ChunkRef]) -> set[Digest]:
        """Which of the chunks the index says are here. Cheap, as nothing of them is read: one may be found damaged by `get`."""
        try:
            shelf = self._open(make=False)
            if shelf is None:
                return set()
            shelf.look()
            return shelf.find_here({ref.digest for ref in refs})
        except FileNotFoundError:
            self._shelf = None
        except OSError as error:
            self._warn(f"the cache in {self.folder} cannot be read ({error}); artfs goes on without")
        return set()

    def put(self, chunks: Sequence[tuple[ChunkRef, Buffer]]) -> None:
        """Keep the chunks, given as they are stored in their packs and verified already, if there is room within the limit (I7)."""
        try:
            shelf = self._open(make=True) if time.monotonic() >= self._paused_until_s else None
            if shelf is None:
                self._counts.not_kept += len(chunks)
            else:
                shelf.keep(chunks)
        except FileNotFoundError:
            self._shelf = None
        except OSError as error:
            self._paused_until_s = time.monotonic() + _PAUSE_S
            what = "its disk is full: make room there, or lower cache_limit" if error.errno in FULL else str(error)
            self._warn(f"the cache in {self.folder} cannot keep what is read ({what}); artfs goes on without")

    def reserve(self, size: int) -> object | None:
        """Set `size` bytes of the limit apart for a file elsewhere, for as long as what this returns is there, and this process.

        None if there is no room. Where nothing can be kept in the folder, nothing is counted.
        """
        try:
            shelf = self._open(make=True)
            return object() if shelf is None else shelf.room.reserve(size)
        except OSError as error:
            self._warn(f"the cache in {self.folder} cannot count what is spooled ({error})")
            return object()

    def facts(self) -> dict[str, Any]:
        """Folder, limit, and what this process has done, for people and status.json; and bytes: those `used` on the disk, of which
        some are `pinned`, and those that are `reserved` besides for what comes.
        """
        facts: dict[str, Any] = {"folder": str(self.folder), "limit": self.limit, "used": 0, "reserved": 0, "pinned": 0}
        with contextlib.suppress(OSError):
            contents = Room(self.folder, self.limit, self._disk).look()
            pinned = sum(segment.claim for segment in contents.segments.values() if segment.is_pinned)
            facts.update(used=contents.on_disk, reserved=max(0, contents.used - contents.on_disk), pinned=pinned)
        facts.update(asdict(self._counts))
        return facts

    def ensure_usable(self) -> None:
        """Raise ConfigNotValid where nothing can be kept in the folder, which is made if it is not there."""
        with self._told():
            self._ready()

    def pins(self) -> list[PinList]:
        """What is pinned. ConfigNotValid, as the methods below, when the folder cannot be used."""
        with self._told():
            return read_pin_lists(self.folder)

    def is_pinned(self, digest: Digest) -> bool:
        """True if a pin has the chunk; false where the folder cannot be used."""
        with contextlib.suppress(OSError):
            return any(digest in pin.iter_digests() for pin in read_pin_lists(self.folder))
        return False

    def missing(self, pin: PinList) -> int:
        """How many chunks of a pin are not here any more, by damage."""
        with self._told():
            return self._pins().missing(pin)

    @contextlib.contextmanager
    def pinning(self, label: str, refs: Sequence[ChunkRef]) -> Iterator[ChunkCache]:
        """Pin the chunks under `label`: the caller reads all of them through the cache that this gives.

        StoreFull, with what is needed and what can be had, when they do not fit into the limit; Busy while another process pins.
        Nothing is pinned when the caller fails.
        """
        with self._told(), self._pins().pinning(label, refs) as cache:
            yield cache

    def unpin(self, label: str) -> bool:
        """Take a pin away; its chunks may be evicted unless another pin needs them. False if there is none of this label."""
        with self._told():
            return self.folder.exists() and self._pins().unpin(label)

    def clear(self, *, pinned: bool = False) -> None:
        """Remove all chunks but those that are pinned, or those as well, also while others use the cache."""
        with self._told():
            if not self.folder.exists():
                return
            if pinned:
                self._pins().unpin_all()
            shelf = self._ready()
            shelf.room.remove_all(pinned=pinned)
            if pinned:
                shelf.index.clear()

    def verify(self, on_progress: Callable[[int, int], None] | None = None) -> CacheReport:
        """Read all chunks, drop what is damaged, and enter into the index what is not in it.

        `on_progress` is told how many bytes of how many were read.
        """
        with self._told():
            return verify_shelf(self._ready(), on_progress or _tell_nobody) if self.folder.exists() else CacheReport()

    def _pins(self) -> Pins:
        return Pins(self.folder, self._ready(), self._disk)

    def _ready(self) -> Shelf:
        try:
            self._make_folder()
        except FolderNotUsable as error:  # told by who asked, not by a warning as well
            raise ConfigNotValid(self._unusable(error)) from error
        self._paused_until_s = 0.0
        shelf = self._open(make=True)
        if shelf is None:
            raise ConfigNotValid(self._why)
        shelf.look()
        return shelf

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say what fails: for what was asked for by a person, unlike reading and keeping."""
        try:
            yield
        except ArtfsError:
            raise
        except BlockingIOError as error:
            raise Busy(f"another process keeps the cache {self.folder} locked: try again later") from error
        except OSError as error:
            if error.errno in FULL:
                raise StoreFull(f"the disk of the cache {self.folder} is full: make room there") from error
            if isinstance(error, PermissionError):
                raise ConfigNotValid(
                    f'you may not use the cache {self.folder}: make it yours again (sudo chown -R "$USER" {self.folder}), or set'
                    " ARTFS_HOME or XDG_CACHE_HOME to a folder of your own"
                ) from error
            raise ConfigNotValid(f"the cache {self.folder} cannot be used: {error}") from error

    def _open(self, *, make: bool) -> Shelf | None:
        shelf = self._shelf
        if shelf is not None and shelf.process == os.getpid():
            return shelf
        if shelf is not None:  # forked: the thread that may have held the lock is not here
            self._lock, self._shelf = threading.Lock(), None
        with self._lock:
            if self._shelf is None:
                self._shelf = self._open_anew(make=make)
            return self._shelf

    def _open_anew(self, *, make: bool) -> Shelf | None:
        if time.monotonic() < self._paused_until_s:
            return None
        try:
            if self._make_folder(even_if_missing=make):
                return Shelf(self.folder, self.limit, self._disk, self._counts)
        except FolderNotUsable as error:
            self._paused_until_s = time.monotonic() + _PAUSE_S
            self._why = self._unusable(error)
            self._warn(self._why)
        return None

    def _make_folder(self, *, even_if_missing: bool = True) -> bool:
        """Make the folder what it must be; false if it is not there. Raises FolderNotUsable."""
        try:
            check_folder(self.folder)
        except FileNotFoundError:
            if not even_if_missing:
                return False
        make_folder(self.folder)
        return True

    def _unusable(self, error: FolderNotUsable) -> str:
        return f"nothing is kept in the cache {self.folder}: {error}"

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            logger.warning("%s", message)


def _tell_nobody(done: int, total: int) -> None:
    pass
