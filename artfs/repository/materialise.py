"""Versions as plain local directories: download and checkout.

Files that are right already (size, executable bit, digest) are left alone, times included; wrong ones are replaced in one step, so
that nobody sees half a file. Content is always copied out of the store: editing a downloaded file never harms it. `compare` tells
what is wrong, `local_tree` keeps everything inside the root.

Threads: the calling thread walks the manifest, a few threads compare and write. Progress is reported from the calling thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from artfs.content.manifests import Manifest
from artfs.errors import EntryNotFound, IntegrityError, UserError
from artfs.model.entry import Entry, Kind
from artfs.model.names import normalise_path
from artfs.model.records import VersionRecord
from artfs.repository.compare import Difference, iter_foreign, verify_directory, why_not_right
from artfs.repository.local_tree import LocalTree, explained, put_in_place, remove_any
from artfs.repository.repository import Repository

__all__ = ["Difference", "checkout", "download", "verify_directory"]

#: Called with the number of files and of their bytes that are in place so far.
Progress = Callable[[int, int], None]

_THREADS = min(8, 2 + (os.cpu_count() or 1))
#: A task is files of one directory, up to so many and so many bytes: small ones are fetched in one read of the store.
_TASK_FILES = 64
_TASK_SIZE = 8 * 1024 * 1024


def download(
    repository: Repository,
    version: VersionRecord,
    root: Path,
    path_prefix: str | None = None,
    on_progress: Progress | None = None,
) -> None:
    """Make `root` hold all of `version`, or what is at or below `path_prefix`. Other files in it stay."""
    manifest = repository.manifest(version)
    entries = manifest.iter_entries() if not path_prefix else _select(manifest, version, path_prefix)
    with LocalTree(root, create=True) as tree:
        _write(repository, tree, entries, on_progress)


def checkout(repository: Repository, version: VersionRecord, root: Path, on_progress: Progress | None = None) -> None:
    """Make `root` hold `version` and nothing else."""
    if root.resolve() in (Path("/"), Path.home()):
        raise UserError(f"checkout removes all other files, so it does not work on {root}: choose a directory of its own")
    manifest = repository.manifest(version)
    with LocalTree(root, create=True) as tree:
        with explained(root):
            for path in list(iter_foreign(tree, manifest)):
                _remove(tree, path)
            for entry in manifest.iter_entries():
                if entry.kind is not Kind.DIRECTORY:
                    _remove_directory_in_the_way(tree, entry)
        _write(repository, tree, manifest.iter_entries(), on_progress)


def _select(manifest: Manifest, version: VersionRecord, path_prefix: str) -> Iterator[Entry]:
    """The entries at or below the prefix; if there is no such path, those whose paths begin with it."""
    path = normalise_path(path_prefix)
    if manifest.get(path) is not None:
        return manifest.iter_entries(path)
    directory, _, beginning = path.rpartition("/")
    siblings = manifest.list(directory) if manifest.is_directory(directory) else []
    chosen = [entry.path for entry in siblings if entry.name.startswith(beginning) and not path_prefix.endswith("/")]
    if not chosen:
        raise EntryNotFound(f"{version.name} has no path that begins with {path_prefix!r}: see what it has with `artfs ls`")
    return (entry for each in chosen for entry in manifest.iter_entries(each))


def _remove(tree: LocalTree, path: str) -> None:
    directory, _, name = path.rpartition("/")
    with tree.directory(directory) as parent:
        remove_any(name, parent)


def _remove_directory_in_the_way(tree: LocalTree, entry: Entry) -> None:
    try:
        with tree.directory(entry.path):
            pass
    except OSError:
        return
    _remove(tree, entry.path)


def _write(repository: Repository, tree: LocalTree, entries: Iterable[Entry], on_progress: Progress | None) -> None:
    files = size = 0
    pending: set[Future[tuple[int, int]]] = set()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="artfs-download") as pool:
        try:
            for batch in _batches(tree, entries):
                pending.add(pool.submit(_write_batch, repository, tree, batch))
                while len(pending) >= 2 * _THREADS:  # bounded: a version may have millions of files
                    files, size, pending = _collect(pending, files, size, on_progress)
            while pending:
                files, size, pending = _collect(pending, files, size, on_progress)
        finally:
            for future in pending:
                future.cancel()


def _collect(
    pending: set[Future[tuple[int, int]]], files: int, size: int, on_progress: Progress | None
) -> tuple[int, int, set[Future[tuple[int, int]]]]:
    done, rest = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        more_files, more_size = future.result()
        files, size = files + more_files, size + more_size
    if on_progress is not None:
        on_progress(files, size)
    return files, size, rest


def _batches(tree: LocalTree, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries of one directory at a time. Directories are made here, so that they are there before what is in them."""
    for directory, group in groupby(entries, key=lambda entry: entry.directory):
        if directory:
            with explained(tree.root / directory):
                tree.make_directory(directory)
        batch: list[Entry] = []
        size = 0
        for entry in group:
            if entry.kind is Kind.DIRECTORY:
                with explained(tree.root / entry.path):
                    tree.make_directory(entry.path)
                continue
            batch.append(entry)
            size += entry.size
            if len(batch) >= _TASK_FILES or size >= _TASK_SIZE:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _write_batch(repository: Repository, tree: LocalTree, batch: list[Entry]) -> tuple[int, int]:
    """Put the entries, all of one directory, in place where they are not; the files and bytes that are right now."""
    with explained(tree.root / batch[0].directory), tree.directory(batch[0].directory) as directory:
        wrong = [entry for entry in batch if why_not_right(entry, directory)]
        contents = _read_small(repository, wrong)
        for entry in wrong:
            with explained(tree.root / entry.path):
                _put(repository, entry, directory, contents.get(entry.path))
    return len(batch), sum(entry.size for entry in batch)


def _read_small(repository: Repository, entries: Iterable[Entry]) -> dict[str, list[bytes]]:
    """The chunks of the files among `entries` that are not large, by path, in as few reads of the store as possible."""
    small = [entry for entry in entries if entry.kind is Kind.FILE and not entry.content.is_indirect and entry.size <= _TASK_SIZE]
    try:
        chunks = iter(repository.chunks.read_uncached([ref for entry in small for ref in entry.content.refs]))
    except IntegrityError:
        return {}  # read one by one, so that the error names the file and the others arrive
    return {entry.path: [next(chunks) for _ in entry.content.refs] for entry in small}


def _put(repository: Repository, entry: Entry, directory: int, data: Sequence[bytes] | None) -> None:
    """Put one entry in place; `data` is its content where that has been read already."""
    if entry.kind is Kind.SYMLINK:
        put_in_place(entry.name, directory, partial(_make_symlink, entry, directory))
    elif entry.kind is Kind.REFERENCE:
        raise UserError(f"{entry.path} is a reference, which this artfs cannot fetch: update artfs")
    elif data is not None:
        put_in_place(entry.name, directory, partial(_make_file, entry, directory, partial(_write_all, data)))
    else:
        put_in_place(entry.name, directory, partial(_make_file, entry, directory, partial(repository.reader.copy_to, entry)))


def _write_all(data: Sequence[bytes], file: BinaryIO) -> None:
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
