"""Puts entries in place in a local directory: the files of a version out of the store, references from where they were left.

Content is always copied: editing a downloaded file never harms the store. A file appears under its name when it is complete;
whatever fails or is interrupted leaves what was there. References are exactly the content that was recorded (I9), and have the time
that was recorded: size and time tell later that they are right already.

Threads: the calling thread walks the entries, a few threads compare and write; those for references are more, as they mostly wait
for servers. Progress is reported from the calling thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import BinaryIO

from artfs.content.reader import ByteSink
from artfs.content.workers import Workers
from artfs.errors import AccessDenied, IntegrityError, NotFound, NotInstalled, ReferenceChanged, TimedOut, UserError
from artfs.model.entry import Entry, Kind
from artfs.model.progress import OnFilesDone
from artfs.references.protocol import Piece
from artfs.repository.compare import why_not_right
from artfs.repository.compare_references import is_downloaded
from artfs.repository.local_tree import LocalTree, explained, put_in_place
from artfs.repository.repository import Repository

_THREADS = min(8, 2 + (os.cpu_count() or 1))
_REFERENCE_THREADS = 16
#: Tasks waiting or running: a version may have millions of files.
_MOST_TASKS = 2 * (_THREADS + _REFERENCE_THREADS)
#: A task is files of one directory, up to so many and so many bytes: small ones are fetched in one read of the store.
_TASK_FILES = 64
_TASK_SIZE = 8 * 1024 * 1024
#: After an error or Ctrl-C, what is being written gets so long to end and clean up. A server that does not answer may take longer.
_PATIENCE_S = 2.0
#: References of one task: each is a request of its own.
_TASK_REFERENCES = 4


@dataclass(frozen=True, slots=True)
class MissingReference:
    """A reference that was not downloaded, and the sentence that says why."""

    path: str
    uri: str
    what: str


class TreeWriter:
    """Puts entries in place in `tree`. `missing` is complete when `write` has returned."""

    def __init__(self, repository: Repository, tree: LocalTree, *, allow_missing_references: bool = False) -> None:
        self._repository = repository
        self._tree = tree
        self._allow_missing = allow_missing_references
        self._is_stopped = False
        #: Temporary names of references that are being written, and the directories that they are in.
        self._unfinished: dict[str, str] = {}
        self.missing: list[MissingReference] = []

    def write(self, entries: Iterable[Entry], on_progress: OnFilesDone | None) -> None:
        """Put the entries, which come directory by directory, in place where they are not.

        `on_progress` is told the files that are in place so far, and their bytes.
        """
        totals = (0, 0)
        pending: set[Future[tuple[int, int]]] = set()
        references = Workers(_REFERENCE_THREADS, "artfs-fetch")
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="artfs-download") as files:
            try:
                for batch in _batches(self._tree, entries):
                    if batch[0].reference is None:
                        pending.add(files.submit(self._write_files, batch))
                    else:
                        pending.add(references.submit(partial(self._write_references, batch)))
                    while len(pending) >= _MOST_TASKS:
                        totals, pending = _collect(pending, totals, on_progress)
                while pending:
                    totals, pending = _collect(pending, totals, on_progress)
            finally:
                self._is_stopped = True  # what is being copied ends too
                for future in pending:
                    future.cancel()
                wait(pending, _PATIENCE_S)
                references.close(wait=False)
                self._remove_unfinished()

    def _write_files(self, batch: list[Entry]) -> tuple[int, int]:
        """Put files and symlinks of one directory in place; the files and bytes that are right now."""
        with explained(self._tree.root / batch[0].directory), self._tree.directory(batch[0].directory) as directory:
            wrong = [entry for entry in batch if why_not_right(entry, directory)]
            contents = _read_small(self._repository, wrong)
            for entry in wrong:
                with explained(self._tree.root / entry.path):
                    self._put(entry, directory, contents.get(entry.path))
        return len(batch), sum(entry.size for entry in batch)

    def _put(self, entry: Entry, directory: int, data: Sequence[Piece] | None) -> None:
        """Put one entry in place; `data` is its content where that has been read already."""
        if entry.kind is Kind.SYMLINK:
            put_in_place(entry.name, directory, partial(_make_symlink, entry, directory))
        else:
            write = partial(self._copy, entry) if data is None else partial(_write_all, data)
            put_in_place(entry.name, directory, partial(_make_file, entry, directory, write))

    def _write_references(self, batch: list[Entry]) -> tuple[int, int]:
        """The same for references; those that are missing do not count."""
        files = size = 0
        with explained(self._tree.root / batch[0].directory), self._tree.directory(batch[0].directory) as directory:
            for entry in batch:
                if self._write_reference(entry, directory):
                    files += 1
                    size += self._repository.reader.known_size(entry) or 0
        return files, size

    def _write_reference(self, entry: Entry, directory: int) -> bool:
        reader = self._repository.reader
        try:
            with explained(self._tree.root / entry.path):
                if not is_downloaded(reader, entry, directory):
                    put_in_place(entry.name, directory, partial(self._make_reference, entry, directory))
        except NotInstalled:
            raise
        except (NotFound, ReferenceChanged, AccessDenied, UserError) as error:
            if entry.reference is None or not self._allow_missing:
                raise
            self.missing.append(MissingReference(entry.path, entry.reference.uri, str(error)))
            return False
        return True

    def _make_reference(self, entry: Entry, directory: int, name: str) -> None:
        self._unfinished[name] = entry.directory
        try:
            _make_file(entry, directory, partial(self._copy, entry), name)
        finally:
            del self._unfinished[name]

    def _remove_unfinished(self) -> None:
        """Remove what threads are writing that nobody waits for: the process may end before their servers answer."""
        for name, path in dict(self._unfinished).items():
            with suppress(OSError), self._tree.directory(path) as directory:
                os.unlink(name, dir_fd=directory)

    def _copy(self, entry: Entry, file: BinaryIO) -> None:
        # Its name is not yet the one of the entry: an error leaves nothing of it.
        self._repository.reader.copy_to(entry, _Interruptible(self, file), is_scratch=True)

    def check_stopped(self) -> None:
        """Raise when nobody waits for the files any more."""
        if self._is_stopped:
            raise TimedOut("the download was stopped")


class _Interruptible(ByteSink):
    """A file that takes nothing more when its writer was stopped: a large one must not go on after Ctrl-C."""

    def __init__(self, writer: TreeWriter, file: BinaryIO) -> None:
        self._writer = writer
        self._file = file

    def write(self, data: Piece, /) -> None:
        self._writer.check_stopped()
        self._file.write(data)


def _collect(
    pending: set[Future[tuple[int, int]]], totals: tuple[int, int], on_progress: OnFilesDone | None
) -> tuple[tuple[int, int], set[Future[tuple[int, int]]]]:
    done, rest = wait(pending, return_when=FIRST_COMPLETED)
    files, size = totals
    for future in done:
        more_files, more_size = future.result()
        files, size = files + more_files, size + more_size
    if on_progress is not None:
        on_progress(files, size)
    return (files, size), rest


def _batches(tree: LocalTree, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries of one directory at a time. Directories are made here, so that they are there before what is in them."""
    for directory, group in groupby(entries, key=lambda entry: entry.directory):
        if directory:
            with explained(tree.root / directory):
                tree.make_directory(directory)
        batches = _Batch(), _Batch()
        for entry in group:
            if entry.kind is Kind.DIRECTORY:
                with explained(tree.root / entry.path):
                    tree.make_directory(entry.path)
                continue
            batch = batches[entry.kind is Kind.REFERENCE]
            batch.append(entry)
            batch.size += entry.size
            if batch.size >= _TASK_SIZE or len(batch) >= (_TASK_REFERENCES if entry.reference else _TASK_FILES):
                yield batch.take()
        yield from (batch.take() for batch in batches if batch)


class _Batch(list[Entry]):
    """Entries of one task to be, and their bytes."""

    size = 0

    def take(self) -> list[Entry]:
        """The entries; none are left."""
        taken = list(self)
        self.clear()
        self.size = 0
        return taken


def _read_small(repository: Repository, entries: Iterable[Entry]) -> dict[str, list[Piece]]:
    """The chunks of the files among `entries` that are not large, by path, in as few reads of the store as possible."""
    small = [entry for entry in entries if entry.kind is Kind.FILE and not entry.content.is_indirect and entry.size <= _TASK_SIZE]
    try:
        chunks = iter(repository.chunks.read_once([ref for entry in small for ref in entry.content.refs]))
    except IntegrityError:
        return {}  # read one by one, so that the error names the file and the others arrive
    return {entry.path: [next(chunks) for _ in entry.content.refs] for entry in small}


def _write_all(data: Sequence[Piece], file: BinaryIO) -> None:
    file.writelines(data)


def _make_file(entry: Entry, directory: int, write: Callable[[BinaryIO], object], name: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, 0o777 if entry.executable else 0o666, dir_fd=directory)
    with open(fd, "wb") as file:
        write(file)
        file.flush()
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))


def _make_symlink(entry: Entry, directory: int, name: str) -> None:
    os.symlink(entry.target, name, dir_fd=directory)
    os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=directory, follow_symlinks=False)
