"""Comparing a local directory with a version: what is missing, different or foreign. Changes nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from artfs.content.manifests import Manifest
from artfs.model.counted import counted
from artfs.model.entry import Entry, Kind
from artfs.model.records import VersionRecord
from artfs.repository.compare_references import why_not_same
from artfs.repository.local_tree import LocalTree, digest_of_file, explained
from artfs.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Difference:
    """One path at which a directory is not what the version says. `what` completes the sentence "PATH …"."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path} {self.what}"


def verify_directory(repository: Repository, version: VersionRecord, root: Path) -> list[Difference]:
    """How `root` differs from `version`, in the order of the paths; times do not count. Empty when it is the same.

    A reference that has another time than when it was downloaded is compared with the bytes at its home.
    """
    manifest = repository.manifest(version)
    with LocalTree(root) as tree, explained(root):
        found = [
            *_missing_or_wrong(repository, tree, manifest),
            *(Difference(path, "is not in the version") for path in iter_foreign(tree, manifest)),
        ]
    return sorted(found, key=lambda difference: difference.path)


def _missing_or_wrong(repository: Repository, tree: LocalTree, manifest: Manifest) -> Iterator[Difference]:
    for entry in manifest.iter_entries():
        try:
            with tree.directory(entry.directory) as directory:
                what = why_not_right(entry, directory)
                if what is None and entry.kind is Kind.REFERENCE:
                    what = why_not_same(repository.reader, entry, directory)
        except (FileNotFoundError, NotADirectoryError):
            what = "is missing"
        except OSError:  # ELOOP: a symlink is in the place of a directory
            what = "is missing"
        if what:
            yield Difference(entry.path, what)


def why_not_right(entry: Entry, directory: int) -> str | None:
    """What is wrong with what is called `entry.name` in `directory`, or None when it is what `entry` says.

    Of a reference only that there is a file; see `compare_references`.
    """
    try:
        found = os.stat(entry.name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return "is missing"
    if stat.S_IFMT(found.st_mode) != _FILE_TYPES[entry.kind]:
        return f"is not a {_TYPE_NAMES[entry.kind]}"
    if entry.kind is Kind.SYMLINK:
        return None if os.readlink(entry.name, dir_fd=directory) == entry.target else "points elsewhere"
    if entry.kind is not Kind.FILE:
        return None
    if found.st_size != entry.size:
        return f"has {counted(found.st_size, 'byte')} instead of {entry.size}"
    if bool(found.st_mode & stat.S_IXUSR) != entry.executable:
        return "is executable" if not entry.executable else "is not executable"
    return None if digest_of_file(entry.name, directory) == entry.digest else "has different content"


_FILE_TYPES = {Kind.FILE: stat.S_IFREG, Kind.SYMLINK: stat.S_IFLNK, Kind.DIRECTORY: stat.S_IFDIR, Kind.REFERENCE: stat.S_IFREG}
_TYPE_NAMES = {Kind.FILE: "file", Kind.SYMLINK: "symlink", Kind.DIRECTORY: "directory", Kind.REFERENCE: "file"}


def iter_foreign(tree: LocalTree, manifest: Manifest) -> Iterator[str]:
    """Paths in the directory that the version does not have. What is below a foreign directory is not told one by one."""
    pending = [""]
    while pending:
        path = pending.pop()
        known = {entry.name: entry for entry in manifest.list(path)}
        try:
            with tree.directory(path) as directory:
                names = sorted(os.listdir(directory))  # noqa: PTH208  a descriptor, not a path
        except OSError:  # not there, or no directory: nothing foreign can be in it
            continue
        for name in names:
            below = f"{path}/{name}" if path else name
            if name not in known:
                yield below
            elif known[name].kind is Kind.DIRECTORY:
                pending.append(below)
