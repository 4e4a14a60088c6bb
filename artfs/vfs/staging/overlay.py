"""The two layers of a staging directory seen as one tree: upper/ on the host file system over the tree of a base version.

Finds what is at a path, lists directories, and has the few steps that changes are composed of: making a directory of the base
real (`ensure_upper`), hiding a base child (`hide`), taking away the markers of an empty directory (`flatten`). Each step is
ordered so that a crash between two host operations neither loses anything nor lets deleted content come back (I5).

Not thread-safe: `StagingDirectory` holds its lock around every call. `known` maps directories to their places, so that finding a
file costs one lookup and one lstat whatever its depth; whoever moves a directory calls `forget_places`.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from artfs.model.entry import Entry, Kind
from artfs.model.names import MAX_NAME_BYTES
from artfs.vfs.staging.base_version import BaseVersion
from artfs.vfs.staging.host import Host
from artfs.vfs.staging.layout import (
    BASE_MARKER,
    format_base_marker,
    format_placeholder,
    format_target,
    gone_marker,
    host_name,
    is_gone_marker,
    join,
    os_error,
    parse_base_marker,
    parse_placeholder,
    parse_target,
    user_name,
)
from artfs.vfs.staging.stat import StagedStat, stat_of_entry, stat_of_upper

_MOST_KNOWN_PLACES = 50_000


class Place(NamedTuple):
    """Where a directory lies: its host path in upper, and the base directory shown in it. At least one is not None."""

    upper: str | None
    base: str | None


class Child(NamedTuple):
    """One name in a directory.

    In upper: `host_path` and `status`, and `text` for a symlink. Still base content: `entry`, and for a moved file its
    placeholder's `host_path` and `status` besides.
    """

    host_path: str | None = None
    status: os.stat_result | None = None
    entry: Entry | None = None
    text: str | None = None

    @property
    def is_directory(self) -> bool:
        if self.entry is not None:
            return self.entry.kind is Kind.DIRECTORY
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)


class Overlay:
    """upper/ over a base. `scratch` is a folder on the same file system for what is not yet in its place."""

    def __init__(self, host: Host, upper: str, scratch: str, base: BaseVersion | None) -> None:
        self.host = host
        self.upper = upper
        self.scratch = scratch
        self.base = base
        self.known: dict[str, Place] = {}
        self._numbers = itertools.count()
        self._directory_mtime_ns = base.directory_mtime_ns if base else 0

    # finding

    def forget_places(self) -> None:
        self.known.clear()

    def directory(self, path: str) -> Place:
        """The place of the directory at `path`; ENOENT or ENOTDIR when there is none."""
        place = self.known.get(path)
        if place is not None:
            return place
        missing: list[str] = []
        above = path
        while above and place is None:
            above, _, name = above.rpartition("/")
            missing.append(name)
            place = self.known.get(above)
        if place is None:
            place = self.known[""] = Place(self.upper, self._base_of(self.upper))
        if len(self.known) > _MOST_KNOWN_PLACES:
            self.known.clear()
        for name in reversed(missing):
            place = self._below(place, name, path)
            above = join(above, name)
            self.known[above] = place
        return place

    def _below(self, place: Place, name: str, path: str) -> Place:
        child = self.child(place, name)
        if child is None:
            raise os_error(errno.ENOENT, path)
        if not child.is_directory:
            raise os_error(errno.ENOTDIR, path)
        return self.place_of(child)

    def place_of(self, child: Child) -> Place:
        """The place of a child that is a directory."""
        if child.host_path is not None:
            return Place(child.host_path, self._base_of(child.host_path))
        return Place(None, child.entry.path if child.entry else None)

    def _base_of(self, host_path: str) -> str | None:
        if self.base is None:
            return None
        try:
            return parse_base_marker(self.host.readlink(f"{host_path}/{BASE_MARKER}"))
        except FileNotFoundError:
            return None

    def child(self, place: Place, name: str) -> Child | None:
        """What `name` is in a directory, or None."""
        in_upper = host_name(name)
        if place.upper is not None:
            host_path = f"{place.upper}/{in_upper}"
            try:
                status = self.host.lstat(host_path)
            except OSError as error:
                self._check_missing(error, name)
            else:
                return self.upper_child(host_path, status)
        entry = self.base_entry(place, name)
        if entry is None or (place.upper is not None and self._is_gone(place.upper, name)):
            return None
        return Child(entry=entry)

    @staticmethod
    def _check_missing(error: OSError, name: str) -> None:
        # A name that is too long only because it had to be escaped is not in upper, but may be in the base.
        too_long = error.errno == errno.ENAMETOOLONG and len(name.encode(errors="surrogateescape")) <= MAX_NAME_BYTES
        if error.errno != errno.ENOENT and not too_long:
            raise error

    def upper_child(self, host_path: str, status: os.stat_result) -> Child:
        if not stat.S_ISLNK(status.st_mode):
            return Child(host_path, status)
        text = self.host.readlink(host_path)
        base_path = parse_placeholder(text)
        if base_path is None:
            return Child(host_path, status, None, parse_target(text))
        entry = self.base.tree.get(base_path) if self.base else None
        if entry is None:
            raise os_error(errno.EIO, host_path)
        return Child(host_path, status, entry)

    def base_entry(self, place: Place, name: str) -> Entry | None:
        """The base child of that name, gone or not."""
        if place.base is None or self.base is None:
            return None
        return self.base.tree.get(join(place.base, name))

    def _is_gone(self, upper: str, name: str) -> bool:
        try:
            self.host.lstat(f"{upper}/{gone_marker(name)}")
        except FileNotFoundError:
            return False
        return True

    def existing(self, path: str) -> Child:
        """What is at `path`, which is not the root; ENOENT when nothing is."""
        parent, _, name = path.rpartition("/")
        child = self.child(self.directory(parent), name)
        if child is None:
            raise os_error(errno.ENOENT, path)
        return child

    def children(self, place: Place) -> Iterator[tuple[str, Child]]:
        """All names in a directory with what they are, in no particular order."""
        found: set[str] = set()
        gone: set[str] = set()
        if place.upper is not None:
            with self.host.scandir(place.upper) as rows:
                for row in rows:
                    name = user_name(row.name)
                    if name is None:
                        gone.add(row.name)
                        continue
                    found.add(name)
                    yield name, self.upper_child(row.path, row.stat(follow_symlinks=False))
        if place.base is not None and self.base is not None:
            for entry in self.base.tree.list(place.base):
                name = entry.name
                if name not in found and not (gone and gone_marker(name) in gone):
                    yield name, Child(entry=entry)

    def stat(self, child: Child) -> StagedStat:
        if child.entry is not None:
            return stat_of_entry(child.entry, self._directory_mtime_ns, child.status)
        assert child.status is not None  # noqa: S101 - a child without an entry is in upper
        return stat_of_upper(child.status, child.text)

    def is_empty(self, place: Place) -> bool:
        return next(self.children(place), None) is None

    # changing

    def scratch_path(self) -> str:
        """A path for something that is not yet in its place. What a crash leaves there means nothing."""
        return f"{self.scratch}/{next(self._numbers)}"

    def ensure_upper(self, path: str) -> Place:
        """The place of the directory at `path`, made real in upper with all above it where they were in the base only."""
        place = self.directory(path)
        if place.upper is not None:
            return place
        missing = []
        while place.upper is None:
            missing.append((path, place))
            path = path.rpartition("/")[0]
            place = self.directory(path)
        for below, virgin in reversed(missing):
            host_path = f"{place.upper}/{host_name(below.rpartition('/')[2])}"
            self.host.rename(self.make_merged(virgin.base or ""), host_path)
            place = self.known[below] = Place(host_path, virgin.base)
        return place

    def make_merged(self, base_directory: str) -> str:
        """A new directory in scratch that shows `base_directory`."""
        new = self.scratch_path()
        self.host.mkdir(new, 0o755)
        self.host.chmod(new, 0o755)  # whatever the umask is
        self.host.symlink(format_base_marker(base_directory), f"{new}/{BASE_MARKER}")
        self.host.utime(new, ns=(self._directory_mtime_ns, self._directory_mtime_ns))
        return new

    def make_stand_in(self, entry: Entry) -> str:
        """Something new in scratch that shows the base entry, at no cost: a directory, a symlink or a placeholder."""
        if entry.kind is Kind.DIRECTORY:
            return self.make_merged(entry.path)
        new = self.scratch_path()
        if entry.kind is Kind.SYMLINK:
            self.host.symlink(format_target(entry.target), new)
            self.host.utime(new, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)
        else:
            self.host.symlink(format_placeholder(entry.path), new)
        return new

    def hide(self, place: Place, name: str) -> None:
        """Make sure that the base child `name` is not seen once upper has no such name. Before upper's is taken away (I5)."""
        if self.base_entry(place, name) is None:
            return
        with contextlib.suppress(FileExistsError):
            self.host.symlink(name, f"{place.upper}/{gone_marker(name)}")

    def flatten(self, host_path: str) -> None:
        """Take the markers out of an upper directory in which nothing is visible, so that the host can replace or remove it.

        The base marker goes first: without it the gone markers say nothing; with it, each removed would show a child again (I5).
        """
        with self.host.scandir(host_path) as rows:
            markers = [row.name for row in rows]
        if BASE_MARKER in markers:
            self.host.unlink(f"{host_path}/{BASE_MARKER}")
        for marker in markers:
            if is_gone_marker(marker):
                self.host.unlink(f"{host_path}/{marker}")
