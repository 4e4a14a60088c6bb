"""Finds the files of a local folder, in manifest order.

Hidden files are included and symlinks followed; what cannot become part of a version is refused with its path: sockets and other
special files, symlinks that lead nowhere or in a circle, and names that a path in an artifact cannot have. Does not read files.
Functions without shared state; each walk runs in its caller's thread.

Manifest order is that of (directory, name) with directories compared as text, so `a-b/` comes between `a/` and `a/x/`. The
smallest directory not yet read is always taken next; as a directory sorts before all below it, this gives that order without
knowing the whole tree.
"""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from artfs.content.key_ranges import sort_key
from artfs.content.stamp import Stamp, stamp_of
from artfs.errors import NameNotValid, SourceNotReadable
from artfs.model.entry import parent_paths
from artfs.model.names import MAX_NAME_BYTES, MAX_PATH_BYTES, normalise_path


class FoundFile(NamedTuple):
    """A regular file: its path in the artifact, where it is, and its stamp when it was found."""

    path: str
    place: str
    stamp: Stamp


@dataclass(slots=True)
class Walk:
    """What a folder holds: its files, and the directories with nothing in them, both in manifest order."""

    found: list[FoundFile] = field(default_factory=list)
    empty_directories: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[tuple[str, Path]]:
        """Path in the artifact and file, of all files found."""
        return [(file.path, Path(file.place)) for file in self.found]


#: Device and inode of a directory, and of those above it: a circle is an identity met twice on the way down.
_Chain = tuple[tuple[int, int], "_Chain | None"]


def walk_directory(root: Path) -> Walk:
    """All files below `root`, and the empty directories."""
    walk = Walk()
    for directory, files in _iter_directories(root):
        walk.found += files
        if directory and not files:
            walk.empty_directories.append(directory)
    # A directory that holds directories only was taken for an empty one: it has one of the others below it.
    occupied = {path.rpartition("/")[0] for path in walk.empty_directories}
    occupied.update(file.path.rpartition("/")[0] for file in walk.found)
    occupied.update(*map(parent_paths, list(occupied)))
    walk.empty_directories = sorted((path for path in walk.empty_directories if path not in occupied), key=sort_key)
    return walk


def _iter_directories(root: Path) -> Iterator[tuple[str, list[FoundFile]]]:
    try:
        chain: _Chain = (_identity(root), None)
    except OSError as error:
        raise SourceNotReadable(f"cannot read the folder {root}: {error.strerror}") from error
    waiting: list[tuple[str, str, _Chain]] = [("", os.fspath(root), chain)]
    while waiting:
        directory, place, chain = heapq.heappop(waiting)
        files: list[FoundFile] = []
        for name, stamp in _scan(place):
            path = f"{directory}/{name}" if directory else name
            where = f"{place}/{name}"
            _check_path(path, name, where)
            if stamp is None:
                heapq.heappush(waiting, (path, where, _descend(chain, where)))
            else:
                files.append(FoundFile(path, where, stamp))
        yield directory, files


def _scan(place: str) -> list[tuple[str, Stamp | None]]:
    """The names in a directory, sorted, with the stamps of regular files; None is a directory."""
    try:
        with os.scandir(place) as found:
            return sorted([(entry.name, _stamp_found(entry)) for entry in found], key=itemgetter(0))
    except OSError as error:
        raise SourceNotReadable(f"cannot read the folder {place}: {error.strerror}") from error


def _stamp_found(entry: os.DirEntry[str]) -> Stamp | None:
    try:
        status = entry.stat()
    except OSError as error:
        if entry.is_symlink():
            raise SourceNotReadable(f"{entry.path} is a symlink that leads nowhere: remove it or restore its target") from error
        raise SourceNotReadable(f"cannot read {entry.path}: {error.strerror}") from error
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return stamp_of(status)
    if stat.S_ISDIR(mode):
        return None
    raise SourceNotReadable(f"{entry.path} is {describe_mode(mode)}, which cannot be part of an artifact: remove or exclude it")


def describe_mode(mode: int) -> str:
    """What a file that is neither a regular file nor a directory is, in words."""
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return kinds.get(stat.S_IFMT(mode), "no regular file")


def _check_path(path: str, name: str, where: str) -> None:
    # Nearly all names are short and plain; the full check costs several times as much.
    if name.isascii() and name.isprintable() and len(name) <= MAX_NAME_BYTES and path.isascii() and len(path) <= MAX_PATH_BYTES:
        return
    try:
        normalise_path(path)
    except NameNotValid as error:
        shown = os.fsencode(where).decode(errors="backslashreplace")
        raise NameNotValid(f"{shown!r} cannot be part of an artifact, rename it: {error.message.rpartition(': ')[2]}") from error


def _descend(chain: _Chain, where: str) -> _Chain:
    try:
        identity = _identity(where)
    except OSError as error:
        raise SourceNotReadable(f"cannot read the folder {where}: {error.strerror}") from error
    above: _Chain | None = chain
    while above is not None:
        if above[0] == identity:
            raise SourceNotReadable(f"{where} is a symlink to a folder that it lies in: remove it, as it would never end")
        above = above[1]
    return identity, chain


def _identity(where: str | Path) -> tuple[int, int]:
    found = os.stat(where)  # noqa: PTH116 - a Path for every directory of a large tree costs more than the call
    return found.st_dev, found.st_ino
