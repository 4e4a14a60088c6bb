"""What is known about local files since they were last read, so that unchanged ones are not read again.

For each source folder there is one file in the memo folder: stamp of a file (device, inode, size, mtime, ctime) → its digest and
chunks. It is a cache: deleted, damaged or from another machine, it costs one more reading of the files, no more. Files whose packs
the registry does not call usable are unknown (I4).

The racily clean rule, which git has for the same reason: a clock ticks in steps, so a file may change again within the step in
which it was stamped, and keep its stamp. A stamp is therefore kept only if it was older by a margin when the file was read. And
stamps that were made up (`devices`) mean nothing.

Thread-safe: one lock guards the folders; it is held while a memo is read, which happens once for each.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from artfs.content.chunk_sink import PackIndex
from artfs.content.devices import MOUNT_INFO, fuse_devices
from artfs.content.memo_file import Known, MemoRows, decode_memo, encode_memo, encode_stamp, size_in_stamp
from artfs.content.stamp import Stamp
from artfs.model.digest import digest_of
from artfs.model.entry import PackId

logger = logging.getLogger(__name__)

#: Coarsest step of a file system's clock (FAT), and more than the clocks of a network file system's two ends differ.
RACY_MARGIN_NS = 2_000_000_000
#: All memos together; the ones not used for the longest time go first.
TOTAL_SIZE = 256 << 20
MEMO_SUFFIX = ".memo"
#: What `walk_memo` remembers lies beside.
WALK_SUFFIX = ".walk"
#: Files known from before and not seen this time that a memo keeps besides the ones seen, at least.
_KEPT_UNSEEN = 4096


@dataclass(slots=True)
class _Folder:
    file: Path
    old: MemoRows
    usable: set[PackId]
    #: Stamps found in `old`; what they mean is decoded again if the memo has to be written.
    hits: set[bytes] = field(default_factory=set)
    news: dict[bytes, Known] = field(default_factory=dict)

    def find(self, key: bytes, size: int) -> Known | None:
        known = self.old.find(key, size)
        if known is None or not self.usable.issuperset([ref.pack for ref in known[1].refs] + [*known[1].packs]):
            return None
        return known


class Memo:
    """The memos of one entity in `directory`; None means that nothing is remembered."""

    def __init__(
        self,
        directory: Path | None,
        entity: str,
        packs: PackIndex,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        total_size: int = TOTAL_SIZE,
        mount_info: Path = MOUNT_INFO,
    ) -> None:
        self._directory = directory
        self._entity = entity
        self._packs = packs
        self._now_ns = now_ns
        self._total_size = total_size
        self._untrue_devices = fuse_devices(mount_info) if directory is not None else frozenset()
        self._folders: dict[str, _Folder] = {}
        self._lock = threading.Lock()

    def find(self, place: str, path: str, stamp: Stamp) -> Known | None:
        """Digest and content of the file at `place`, which becomes `path` of an artifact, if it is what it was."""
        if self._directory is None or stamp.device in self._untrue_devices:
            return None
        folder = self._folder(place, path)
        key = encode_stamp(stamp)
        known = folder.news.get(key)
        if known is None:
            known = folder.find(key, stamp.size)
            if known is not None:
                folder.hits.add(key)
        return known

    def read_time_ns(self) -> int:
        """The time to pass to `record`, taken before the file is opened."""
        return self._now_ns()

    def record(self, place: str, path: str, stamp: Stamp, read_at_ns: int, known: Known) -> None:
        """Remember what was read from the file, which was opened after `read_at_ns`."""
        if self._directory is None or stamp.device in self._untrue_devices:
            return
        if max(stamp.mtime_ns, stamp.ctime_ns) > read_at_ns - RACY_MARGIN_NS:
            return
        folder = self._folder(place, path)
        folder.news[encode_stamp(stamp)] = known

    def save(self) -> None:
        """Write the memos that changed. A memo that cannot be written is done without."""
        with self._lock:
            for folder in self._folders.values():
                if folder.news:
                    try:
                        self._save_folder(folder)
                    except OSError as error:
                        logger.debug("cannot write the memo %s: %s", folder.file, error)
            self._folders = {}  # whoever asks again reads what was written

    def _folder(self, place: str, path: str) -> _Folder:
        root = root_of(place, path)
        folder = self._folders.get(root)
        if folder is None:
            with self._lock:
                folder = self._folders.get(root)
                if folder is None:
                    folder = self._folders[root] = self._load(root)
        return folder

    def _load(self, root: str) -> _Folder:
        assert self._directory is not None  # noqa: S101 - `find` and `record` return before
        file = self._directory / (memo_name(self._entity, Path(root)) + MEMO_SUFFIX)
        old: MemoRows | None = None
        # Without the file nothing is known, which costs one more reading of the source and no more.
        with contextlib.suppress(OSError):
            if file.stat().st_size <= self._total_size:
                old = decode_memo(file.read_bytes())
                os.utime(file)  # used now: others go before it when room is made
        old = old or MemoRows()
        return _Folder(file, old, self._packs.usable(old.packs) if old.packs else set())

    def _save_folder(self, folder: _Folder) -> None:
        known = dict(folder.news)
        seen = folder.hits | known.keys()
        unseen = (key for key in folder.old.rows if key not in seen)
        for key in chain(folder.hits - known.keys(), islice(unseen, max(len(seen), _KEPT_UNSEEN))):
            found = folder.find(key, size_in_stamp(key))
            if found is not None:
                known[key] = found
        data = encode_memo(known)
        if len(data) > self._total_size:
            return
        replace_file(folder.file, data)
        self._make_room(folder.file.parent)

    def _make_room(self, directory: Path) -> None:
        files = [file for file in directory.iterdir() if file.suffix in {MEMO_SUFFIX, WALK_SUFFIX}]
        found = sorted(((file.stat().st_mtime_ns, file.stat().st_size, file) for file in files), reverse=True)
        total = 0
        for _, size, file in found:
            total += size
            if total > self._total_size:
                file.unlink(missing_ok=True)


def memo_name(entity: str, root: Path) -> str:
    """What the files about the source folder `root` are called, without their suffix."""
    return digest_of(f"{entity}\0{root.absolute()}".encode(errors="surrogateescape")).hex()[:32]


def replace_file(file: Path, data: bytes) -> None:
    """Write `file`, at once for all who read it; its folder is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".memo-", dir=file.parent)
    try:
        with open(descriptor, "wb") as opened:
            opened.write(data)
        os.replace(temporary, file)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise


def root_of(place: str, path: str) -> str:
    """The source folder: where `place` is, less the names at its end that it shares with `path`, which is its own name at least."""
    if place.endswith("/" + path):
        return place[: -len(path) - 1]
    parts, names = place.split("/"), path.split("/")
    shared = 0
    while shared < min(len(parts), len(names)) and parts[-1 - shared] == names[-1 - shared]:
        shared += 1
    return "/".join(parts[: len(parts) - max(shared, 1)])
