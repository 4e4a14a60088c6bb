"""The home of `file://`: files that stay where they are on this machine, or on what is mounted on it.

Recorded is the digest of the content, so that a file that was touched or copied back is still the same. A range is served only
from a file whose stamp is one for which the digest was verified (I9, `verified_files`); one without is digested once as a whole
before its first byte is used. A file that somebody writes to between `fstat` and `pread` shows by the `fstat` behind it.

Blocking; any thread. Threads that need the digest of one file wait for the one that computes it.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from artfs.errors import AccessDenied, ArtfsError, NotFound, ReferenceUnavailable, UserError
from artfs.model.digest import Digester, format_digest
from artfs.model.entry import Reference
from artfs.references.changed import DIGEST_PREFIX, is_recorded, recorded_digest, reference_changed
from artfs.references.protocol import Fetched, Found
from artfs.references.verified_files import RACY_MARGIN_NS, FileStamp, VerifiedFiles, stamp_file
from artfs.references.walk import iter_files

_PIECE = 1 << 20
#: Ranges up to this size are kept while the file is digested, so that a fresh file is read once and not twice.
_KEPT_RANGE = 16 << 20
#: Characters that stay as they are in a file URI: readable, and no `%`, `?` or `#`.
_PLAIN = "/!$&'()*+,;=:@~"
_LOCKS = 16


class LocalFiles:
    """`folder` is where digests of large files are kept for the processes to come; for `margin_ns` see `verified_files`."""

    def __init__(self, folder: Path, *, margin_ns: int = RACY_MARGIN_NS) -> None:
        self._verified = VerifiedFiles(folder, margin_ns=margin_ns)
        self._digesting = [threading.Lock() for _ in range(_LOCKS)]

    def expand(self, uri: str) -> Iterator[Found]:
        place = path_of(uri)
        if not stat.S_ISDIR(_stat(place, uri).st_mode):
            yield self._find(uri, place, os.path.basename(place))  # noqa: PTH119 - also of bytes that are no UTF-8
            return
        for path, where in iter_files(place, uri):
            yield self._find(_uri_below(uri, path), where, path)

    def list_folder(self, uri: str) -> Iterator[Found] | None:
        place = path_of(uri)
        if not os.path.isdir(place):  # noqa: PTH112
            return None
        return (Found(path, Reference(_uri_below(uri, path)), time.time_ns()) for path, _ in iter_files(place, uri))

    def look(self, reference: Reference) -> Reference:
        with _Opened(reference.uri, recorded=reference) as file:
            # Without a recorded digest nobody compares: a large file is not read for nothing.
            etag = None if recorded_digest(reference) is None else DIGEST_PREFIX + self._digest(file)
            return Reference(reference.uri, etag=etag, size=file.stamp.size)

    def fetch(self, reference: Reference, offset: int, length: int) -> Fetched:
        try:
            file = _Opened(reference.uri, recorded=reference)
        except NotFound as error:
            if not is_recorded(reference):
                raise
            raise reference_changed(reference, "nothing") from error
        try:
            kept = self._verify(file, reference, offset, length)
        except BaseException:
            file.close()
            raise
        if kept is None:
            return Fetched(offset, file.stamp.size, _Pieces(file, reference, offset, length))
        file.close()
        return Fetched(offset, file.stamp.size, _iter_kept(kept))

    def close(self) -> None:
        """Nothing is held open."""

    def _find(self, uri: str, place: str, name: str) -> Found:
        with _Opened(uri, place) as file:
            reference = Reference(uri, etag=DIGEST_PREFIX + self._digest(file), size=file.stamp.size)
            return Found(name, reference, file.stamp.mtime_ns)

    def _verify(self, file: _Opened, reference: Reference, offset: int, length: int) -> bytes | None:
        """Raise ReferenceChanged unless the file is what was recorded. The range asked for, where it was read meanwhile."""
        size, recorded = file.stamp.size, recorded_digest(reference)
        if reference.size is not None and size != reference.size:
            raise reference_changed(reference, Reference(reference.uri, size=size))
        if recorded is None:
            return None
        known = self._verified.get(file.stamp)
        kept = None
        if known is None:
            end = min(offset + length, size)
            kept = bytearray() if end - offset <= _KEPT_RANGE else None
            known = self._digest(file, kept, offset, end)
            # Another thread may have digested it meanwhile.
            kept = None if kept is None or len(kept) != max(0, end - offset) else kept
        if known != recorded:
            raise reference_changed(reference, Reference(reference.uri, etag=DIGEST_PREFIX + known, size=size))
        return None if kept is None else bytes(kept)

    def _digest(self, file: _Opened, kept: bytearray | None = None, start: int = 0, end: int = 0) -> str:
        """The digest of the file, known or computed; then what lies between `start` and `end` goes to `kept`."""
        with self._digesting[hash(file.stamp) % _LOCKS]:
            known = self._verified.get(file.stamp)
            if known is not None:
                return known
            began_ns = time.time_ns()
            digester = Digester()
            position = 0
            while piece := file.read(position, _PIECE):
                digester.update(piece)
                if kept is not None and position < end and position + len(piece) > start:
                    kept += piece[max(0, start - position) : end - position]
                position += len(piece)
            file.check_unchanged()
            digest = format_digest(digester.digest())
            self._verified.put(file.stamp, digest, began_ns)
            return digest


class _Opened:
    """One open file and its stamp. For one thread. Raises ReferenceChanged where a file was `recorded` and something else is."""

    def __init__(self, uri: str, place: str | None = None, *, recorded: Reference | None = None) -> None:
        self._uri = uri
        place = path_of(uri) if place is None else place
        try:
            # O_NONBLOCK: opening a named pipe must not wait for a writer.
            self._descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise _translate(uri, place, error) from error
        found = os.fstat(self._descriptor)
        self.stamp: FileStamp = stamp_file(found)
        if not stat.S_ISREG(found.st_mode):
            self.close()
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
            if recorded is not None and is_recorded(recorded):
                raise reference_changed(recorded, what)
            raise UserError(f"{uri} is {what}: only the bytes of files can be referred to")

    def read(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise ReferenceUnavailable(f"{self._uri} cannot be read: {error.strerror}; try again when its disk answers") from error

    def check_unchanged(self) -> None:
        if not self.is_unchanged():
            raise ReferenceUnavailable(f"{self._uri} changed while it was read: try again when nothing writes to it")

    def is_unchanged(self) -> bool:
        return stamp_file(os.fstat(self._descriptor)) == self.stamp

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _iter_kept(kept: bytes) -> Iterator[bytes]:
    if kept:
        yield kept


class _Pieces(Iterator[bytes]):
    """The range as it is read, each piece between two looks at the stamp for which the digest was verified (I9).

    No generator: one that was never begun does not close its file.
    """

    def __init__(self, file: _Opened, reference: Reference, offset: int, length: int) -> None:
        self._file: _Opened | None = file
        self._reference = reference
        self._offset = offset
        self._end = min(offset + length, file.stamp.size)

    def __next__(self) -> bytes:
        if self._file is None or self._offset >= self._end:
            self.close()
            raise StopIteration
        try:
            piece = self._file.read(self._offset, min(_PIECE, self._end - self._offset))
            if not piece or not self._file.is_unchanged():
                raise reference_changed(self._reference, "a file that is being written to")
        except BaseException:
            self.close()
            raise
        self._offset += len(piece)
        return piece

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        self.close()


def _uri_below(uri: str, path: str) -> str:
    return f"{uri.rstrip('/')}/{quote(os.fsencode(path), safe=_PLAIN)}"


def path_of(uri: str) -> str:
    """The absolute local path that a file URI means, percent-decoded. UserError for one on another host or a relative one."""
    host, slash, path = uri.partition("://")[2].partition("/")
    if host not in {"", "localhost"} or not slash:
        raise UserError(f"{uri!r} is no path on this machine: write file:///absolute/path, with three slashes")
    # Back to the bytes that the name has on disk, whatever they are.
    return os.fsdecode(unquote(f"/{path}", errors="surrogateescape").encode(errors="surrogateescape"))


def _stat(place: str, uri: str) -> os.stat_result:
    try:
        return os.stat(place)  # noqa: PTH116 - a path that may be no UTF-8
    except (OSError, ValueError) as error:
        raise _translate(uri, place, error) from error


def _translate(uri: str, place: str, error: OSError | ValueError) -> ArtfsError:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        hint = "; in a URI, % is written %25" if "%" in uri else ""
        return NotFound(f"{uri} leads to nothing: there is no file {place}{hint}")
    if isinstance(error, PermissionError):
        return AccessDenied(f"{uri} may not be read by this user: change the permissions of {place}")
    if isinstance(error, ValueError):
        return UserError(f"{uri!r} is no path on this machine: {error}")
    return ReferenceUnavailable(f"{uri} cannot be read: {error.strerror}; try again when its disk answers")
