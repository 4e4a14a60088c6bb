"""What the things that a URI leads to are called in an artifact.

One object has its basename, or the name it is given. What lies below a prefix has its path below it, under the name that is given.
`a//b` is `a/b`, as everywhere in artfs. A name that no path can have is refused with the URI it came from, and so are two objects
that would be in each other's place: a version is never less than what was asked for. Folder markers, which object stores keep as
empty objects whose key ends in `/`, are no content and left out. Pure functions; any thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from artfs.errors import NameNotValid, NotFound, TypeNotValid, UserError
from artfs.model.counted import counted
from artfs.model.entry import Entry, parent_paths, reference_entry
from artfs.model.names import normalise_path
from artfs.model.progress import OnFilesDone
from artfs.references.protocol import Found
from artfs.references.uri import basename_of, scheme_of, shown_uri


def name_for(uri: str, name: str | None) -> str:
    """The path of the one thing that `uri` leads to: `name`, or else its basename. UserError where there is none."""
    if name is not None:
        return normalise_path(name)
    basename = basename_of(uri)
    if not basename:
        raise UserError(f"{shown_uri(uri)} has no file name at its end: say with name= what it is called in the artifact")
    return _normalised(basename, uri)


def name_found(
    uri: str, found: Iterable[Found], *, name: str | None, max_objects: int, on_progress: OnFilesDone | None = None
) -> list[Entry]:
    """The entries that what `uri` leads to makes, in manifest order.

    Takes no more of `found` than it must to see that there are more than `max_objects`: UserError. NotFound where nothing is left
    once folder markers are left out. `on_progress` is told the objects found so far, and their bytes.
    """
    prefix = None if name is None else normalise_path(name)
    if type(max_objects) is not int or max_objects < 1:  # True is no number
        raise TypeNotValid(f"max_objects must be a number from 1 on, not {max_objects!r}")
    naming = _Naming(uri, prefix)
    total = 0
    for one in found:
        if _is_marker(one):
            continue
        if len(naming.entries) == max_objects:
            raise UserError(
                f"{shown_uri(uri)} leads to more than {counted(max_objects, 'object')}: refer to less of it, or "
                "allow more with max_objects="
            )
        total += naming.add(one).size
        if on_progress:
            on_progress(len(naming.entries), total)
    if not naming.entries:
        if scheme_of(uri) == "file":
            raise NotFound(f"{shown_uri(uri)} is a folder without files: refer to a file, or to a folder that has some")
        raise NotFound(f"{shown_uri(uri)} leads to nothing: check the address; a prefix has objects below it")
    return naming.finish()


def _is_marker(one: Found) -> bool:
    """True for an empty object whose key ends in `/`. One that holds bytes is an object that no path can name."""
    if one.name and not one.name.endswith("/"):
        return False
    if one.reference.size:
        raise NameNotValid(
            f"{shown_uri(one.reference.uri)} cannot be part of an artifact: its key ends in '/', but it holds"
            f" {counted(one.reference.size, 'byte')}: rename it, or refer to the others one by one"
        )
    return True


@dataclass(slots=True)
class _Naming:
    uri: str
    prefix: str | None
    entries: dict[str, Entry] = field(default_factory=dict)
    #: The object below each directory that was met first: it is named where another object takes the directory's place.
    directories: dict[str, str] = field(default_factory=dict)

    def add(self, one: Found) -> Entry:
        path = self._path_of(one)
        uri = one.reference.uri
        if path in self.entries:
            self._refuse(path, uri, _uri_of(self.entries[path]))
        if path in self.directories:
            self._refuse(path, uri, self.directories[path])
        entry = self.entries[path] = reference_entry(path, one.reference, one.mtime_ns)
        for parent in parent_paths(path):
            if parent in self.entries:
                self._refuse(parent, uri, _uri_of(self.entries[parent]))
            if parent in self.directories:
                break  # so are those above it
            self.directories[parent] = uri
        return entry

    def _path_of(self, one: Found) -> str:
        if one.reference.uri == self.uri:
            return self.prefix or name_for(self.uri, None)
        name = one.name
        if basename_of(self.uri.rstrip("/")):
            # `images//a` below `images` is `images/a`; a key that begins with `/` in a whole bucket stays absolute, and is refused.
            name = name.lstrip("/")
        path = _normalised(name, one.reference.uri)
        # Together they may be too long.
        return _normalised(f"{self.prefix}/{path}", one.reference.uri) if self.prefix else path

    @staticmethod
    def _refuse(path: str, first: str, second: str) -> None:
        one, other = sorted((shown_uri(first), shown_uri(second)))
        raise UserError(
            f"{one} and {other} would both be {path!r} in the artifact: rename one of them, or refer to them one by one with name="
        )

    def finish(self) -> list[Entry]:
        return sorted(self.entries.values(), key=lambda entry: entry.sort_key)


def _uri_of(entry: Entry) -> str:
    return entry.reference.uri if entry.reference else entry.path


def _normalised(name: str, uri: str) -> str:
    try:
        return normalise_path(name)
    except NameNotValid as error:
        reason = error.message.rpartition(": ")[2]
        raise NameNotValid(
            f"{shown_uri(uri)!r} cannot be part of an artifact under its name: {reason}; rename it, or refer to it alone with name="
        ) from error
