"""Find what a place on the command line means: its version, and in it a path, through symlinks as a mount would."""

from __future__ import annotations

import posixpath
from typing import Protocol

from artfs.cli.place import Place
from artfs.content.manifests import Manifest
from artfs.errors import EntryNotFound, NotFound, UserError
from artfs.model.entry import Entry, Kind
from artfs.model.names import VersionName
from artfs.model.records import VersionRecord


class VersionTable(Protocol):
    """What is asked of the registry, or of what is known of it."""

    def version(self, name: VersionName) -> VersionRecord: ...


#: As many symlinks as Linux follows in one path.
MAX_SYMLINKS = 40


def resolve_place(versions: VersionTable, place: Place) -> VersionRecord:
    """The version of `place`; NotFound says how a path is written when one may have been meant."""
    try:
        return versions.version(place.version)
    except NotFound as error:
        if not place.alternative:
            raise
        raise NotFound(f"{error} (if a path was meant, write {place.alternative})") from error


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
