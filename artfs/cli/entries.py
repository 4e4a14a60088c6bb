"""Find a file in a version by its path, through symlinks, as a mount would."""

from __future__ import annotations

import posixpath

from artfs.content.manifests import Manifest
from artfs.errors import EntryNotFound, UserError
from artfs.model.entry import Entry, Kind
from artfs.model.records import VersionRecord

#: As many symlinks as Linux follows in one path.
MAX_SYMLINKS = 40


def find_entry(manifest: Manifest, version: VersionRecord, path: str) -> Entry:
    """The entry of exactly `path`; EntryNotFound says where to look."""
    entry = manifest.get(path)
    if entry is None:
        raise EntryNotFound(f"{version.name} has no {path!r}: see what there is with `artfs ls -R {version.name}`")
    return entry


def find_file(manifest: Manifest, version: VersionRecord, path: str) -> Entry:
    """The file that `path` leads to. A symlink that leads out of the version, to nothing, or round in a circle is an error."""
    place = path
    for _ in range(MAX_SYMLINKS):
        entry = find_entry(manifest, version, place)
        if entry.kind is Kind.DIRECTORY:
            raise UserError(f"{version.name}/{path} is a directory: name a file, or list it with `artfs ls`")
        if entry.kind is not Kind.SYMLINK:
            return entry
        place = posixpath.normpath(posixpath.join(entry.directory, entry.target))
        if place.startswith(("/", "../")) or place in {".", ".."}:
            raise UserError(f"{version.name}/{path} is a symlink to {entry.target!r}, which is no file of the version")
    raise UserError(f"{version.name}/{path} is a symlink that leads round in a circle")
