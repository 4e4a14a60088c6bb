"""What a source folder became when it was last committed, so that a folder in which nothing changed is not even ingested.

For each source folder there is one small file beside its memo (`memo`): the digest of all that a walk found, every path with its
stamp, and the digest of the version that this became. It names no packs and no version of an artifact: whether there is a version
of that digest is for the registry to say. As a memo it is a cache, and obeys the same rules: a stamp that was not older by a margin
when the walk began, or that a file system makes up, proves nothing.

Not thread-safe: it serves one walk.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable
from pathlib import Path

from artfs.content.devices import MOUNT_INFO, fuse_devices
from artfs.content.memo import RACY_MARGIN_NS, WALK_SUFFIX, memo_name, replace_file
from artfs.content.walk import Walk
from artfs.model.digest import DIGEST_SIZE, Digest, Digester, digest_of

logger = logging.getLogger(__name__)

#: magic, digest of the rest, digest of the walk, digest of the version
_MAGIC = b"artfs walk 1\n"
_COUNT = struct.Struct("<Q")
_STAMP = struct.Struct("<QQQqqI")


class WalkMemo:
    """Remembers for the folder `root`; made before it is walked. `directory` None means that nothing is remembered."""

    def __init__(
        self,
        directory: Path | None,
        entity: str,
        root: Path,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        mount_info: Path = MOUNT_INFO,
    ) -> None:
        self._file = None if directory is None else directory / (memo_name(entity, root) + WALK_SUFFIX)
        self._untrue_devices = fuse_devices(mount_info) if directory is not None else frozenset()
        self._began_ns = now_ns()

    def find(self, walk: Walk) -> Digest | None:
        """The digest of the version that exactly what was found became the last time."""
        if self._file is None or not self._is_true(walk):
            return None
        try:
            remembered = self._file.read_bytes()
        except OSError:
            return None
        rest = remembered[len(_MAGIC) + DIGEST_SIZE :]
        if (
            len(rest) != 2 * DIGEST_SIZE
            or remembered != _MAGIC + digest_of(rest) + rest
            or rest[:DIGEST_SIZE] != _digest_of_walk(walk)
        ):
            return None
        return Digest(rest[DIGEST_SIZE:])

    def record(self, walk: Walk, version: Digest) -> None:
        """What was found has become the version of this digest; the files were read after the walk had begun."""
        if self._file is None or not self._is_true(walk):
            return
        newest_ns = max((max(file.stamp.mtime_ns, file.stamp.ctime_ns) for file in walk.found), default=0)
        if newest_ns > self._began_ns - RACY_MARGIN_NS:
            return
        rest = _digest_of_walk(walk) + version
        try:
            replace_file(self._file, _MAGIC + digest_of(rest) + rest)
        except OSError as error:
            logger.debug("cannot write the memo %s: %s", self._file, error)

    def _is_true(self, walk: Walk) -> bool:
        return self._untrue_devices.isdisjoint({file.stamp.device for file in walk.found})


def _digest_of_walk(walk: Walk) -> Digest:
    """Of the number of files, then stamp and path of each, then the empty directories; a path ends with a zero byte."""
    digester = Digester()
    digester.update(_COUNT.pack(len(walk.found)))
    digester.update(b"".join([b"%b%b\0" % (_STAMP.pack(*stamp), path.encode()) for path, _, stamp in walk.found]))
    digester.update(b"".join([b"%b\0" % path.encode() for path in walk.empty_directories]))
    return digester.digest()
