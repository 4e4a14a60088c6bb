"""What a staging directory changes about its base: what `commit_edit` wants to know, at a cost that follows the change.

Directories of the base that nobody touched have nothing in upper and are never looked at. A base directory that was moved is
written down again under its new paths; its files keep their content. Not thread-safe, like `Overlay`.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from artfs.errors import UserError
from artfs.model.entry import Entry, Kind, directory_entry, symlink_entry
from artfs.vfs.staging.layout import gone_marker, is_gone_marker, join, user_name
from artfs.vfs.staging.overlay import Child, Overlay, Place
from artfs.vfs.staging.stat import makes_executable


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file in upper: where it goes, and where its bytes are now."""

    path: str
    source: Path
    executable: bool
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class StagedChanges:
    """Removed base paths (with all below them), then what is added; a path may be in both.

    `moved` are base entries (files, symlinks, directories, references) under their new paths.
    """

    removed: list[str] = field(default_factory=list)
    files: list[StagedFile] = field(default_factory=list)
    symlinks: list[Entry] = field(default_factory=list)
    directories: list[Entry] = field(default_factory=list)
    moved: list[Entry] = field(default_factory=list)

    @property
    def added(self) -> Sequence[Entry]:
        """All that is added and needs no reading."""
        return [*self.directories, *self.symlinks, *self.moved]

    @property
    def is_empty(self) -> bool:
        return not (self.removed or self.files or self.symlinks or self.directories or self.moved)


def find_changes(overlay: Overlay) -> StagedChanges:
    """Walk upper and say what it changes."""
    finder = _Finder(overlay)
    root = overlay.directory("")
    finder.visit("", root, in_place=root.base == "")
    while finder.open:
        path, place, in_place = finder.open.pop()
        finder.visit(path, place, in_place=in_place)
    return finder.changes


class _Finder:
    """Directories still to be looked at, in `open`, and what was found so far.

    A directory is in place when it shows the base directory of its own path and so does every directory above it: then what the
    base has there is still there unless upper says otherwise. Elsewhere nothing is, and all that is visible must be said.
    """

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self.changes = StagedChanges()
        self.open: list[tuple[str, Place, bool]] = []

    def visit(self, path: str, place: Place, *, in_place: bool) -> None:
        if in_place:
            self._visit_in_place(path, place)
            return
        if path:
            self.changes.directories.append(directory_entry(path))
        for name, child in self._overlay.children(place):
            self._add(join(path, name), child)

    def _visit_in_place(self, path: str, place: Place) -> None:
        host = self._overlay.host
        gone: dict[str, str] = {}
        names: set[str] = set()
        with host.scandir(str(place.upper)) as rows:
            for row in rows:
                name = user_name(row.name)
                if name is not None:
                    names.add(gone_marker(name))
                    child = self._overlay.upper_child(row.path, row.stat(follow_symlinks=False))
                    self._replace(join(path, name), child, self._overlay.base_entry(place, name))
                elif is_gone_marker(row.name):
                    gone[row.name] = host.readlink(row.path)
        for marker, name in gone.items():
            if marker not in names and self._overlay.base_entry(place, name) is not None:
                self.changes.removed.append(join(path, name))

    def _replace(self, path: str, child: Child, base: Entry | None) -> None:
        """`child` in upper is at `path`, where the base has `base`."""
        if child.entry is not None and child.entry.path == path:
            return
        if child.is_directory:
            place = self._overlay.place_of(child)
            if place.base == path:
                self.open.append((path, place, True))
                return
        if base is not None:
            self.changes.removed.append(path)
        self._add(path, child)

    def _add(self, path: str, child: Child) -> None:
        """`child` is at `path`, where nothing of the base is left."""
        if child.entry is not None:
            self.changes.moved.append(child.entry.at(path))
            if child.entry.kind is Kind.DIRECTORY:
                self._add_below(path, child.entry.path)
        elif child.is_directory:
            self.open.append((path, self._overlay.place_of(child), False))
        else:
            self._add_own(path, child)

    def _add_below(self, path: str, base_directory: str) -> None:
        tree = self._overlay.base.tree if self._overlay.base else None
        for entry in tree.iter_entries(base_directory) if tree else ():
            if entry.path != base_directory:
                self.changes.moved.append(entry.at(path + entry.path[len(base_directory) :]))

    def _add_own(self, path: str, child: Child) -> None:
        status = child.status
        if status is None or child.host_path is None:
            return
        if child.text is not None:
            self.changes.symlinks.append(symlink_entry(path, child.text, status.st_mtime_ns))
        elif stat.S_ISREG(status.st_mode):
            executable = makes_executable(status.st_mode)
            self.changes.files.append(StagedFile(path, Path(child.host_path), executable, status.st_mtime_ns))
        else:
            raise UserError(f"{path!r} in staging is neither file, directory nor symlink: remove {child.host_path}")
