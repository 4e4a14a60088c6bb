"""What local files are known to hold, so that a file is digested once and not for every range that is read of it (I9).

A digest is known for a stamp: device, inode, size, mtime and ctime. The ctime is set by the kernel and cannot be set back, so an
equal stamp means that nobody wrote meanwhile, but for the racily clean rule: a clock ticks in steps, and a file may change again
within the step in which it was stamped. A file that changed less than a margin before it was digested is therefore not known.

Known digests are kept in memory; those of large files also in a folder, each in a file of its own, for the processes to come. They
are a cache: deleted or damaged, they cost one more reading. Any thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

from artfs.model.digest import digest_of, format_digest

#: Coarsest step of a file system's clock (FAT).
RACY_MARGIN_NS = 2_000_000_000
#: From this size on, digesting again costs more than a file in the cache.
KEPT_FROM_SIZE = 8 << 20
#: About 100 bytes each.
_IN_MEMORY = 1 << 16
_ON_DISK = 10_000
_PRUNE_EVERY = 500
_DIGEST = re.compile(r"[0-9a-f]{64}")


class FileStamp(NamedTuple):
    """Equal stamps mean equal content, up to the clock's resolution."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def stamp_file(found: os.stat_result) -> FileStamp:
    return FileStamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class VerifiedFiles:
    """Stamp → hexadecimal digest. `folder` is made when the first large file is known.

    `margin_ns` is more than a step of the clock that stamps files.
    """

    def __init__(self, folder: Path, *, margin_ns: int = RACY_MARGIN_NS) -> None:
        self._folder = folder
        self._margin_ns = margin_ns
        self._lock = threading.Lock()
        self._saved = 0
        #: In the order in which they were last of use.
        self._known: dict[FileStamp, str] = {}

    def get(self, stamp: FileStamp) -> str | None:
        """The digest of the file that has this stamp, where it is known."""
        with self._lock:
            digest = self._known.pop(stamp, None)
            if digest is not None:
                self._known[stamp] = digest
                return digest
        if stamp.size < KEPT_FROM_SIZE or (digest := self._load(stamp)) is None:
            return None
        self._remember(stamp, digest)
        return digest

    def put(self, stamp: FileStamp, digest: str, digested_ns: int) -> None:
        """Remember what was read from a file with this stamp, which it had before and after. `digested_ns`: when reading began."""
        if digested_ns - stamp.ctime_ns < self._margin_ns:
            return
        self._remember(stamp, digest)
        if stamp.size >= KEPT_FROM_SIZE:
            self._save(stamp, digest)

    def _remember(self, stamp: FileStamp, digest: str) -> None:
        with self._lock:
            self._known[stamp] = digest
            if len(self._known) > _IN_MEMORY:
                del self._known[next(iter(self._known))]

    def _place(self, stamp: FileStamp) -> Path:
        return self._folder / format_digest(digest_of(repr(tuple(stamp)).encode()))

    def _load(self, stamp: FileStamp) -> str | None:
        try:
            text = self._place(stamp).read_text("ascii").strip()
        except (OSError, ValueError):
            return None
        return text if _DIGEST.fullmatch(text) else None

    def _save(self, stamp: FileStamp, digest: str) -> None:
        # Whoever cannot keep a cache works without it.
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._folder)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(digest + "\n")
            Path(temporary).replace(self._place(stamp))
            self._saved += 1
            if self._saved % _PRUNE_EVERY == 1:  # listing the folder takes as long as writing many
                self._prune()

    def _prune(self) -> None:
        with os.scandir(self._folder) as found:
            files = [(entry.stat(follow_symlinks=False).st_mtime_ns, entry.path) for entry in found]
        if len(files) > _ON_DISK:
            for _, path in sorted(files)[: len(files) // 2]:
                Path(path).unlink(missing_ok=True)
