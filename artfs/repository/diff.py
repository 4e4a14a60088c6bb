"""What differs between two versions. Reads only the manifest pages that are not the same in both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from artfs.content.manifests import Manifest
from artfs.model.entry import Entry, Kind, parent_paths
from artfs.model.page import decode_page
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Diff:
    """Entries in the order of their paths. `changed` pairs the entry before with the one after.

    A directory is listed only when nothing else that is listed beside it lies in it: an empty one.
    """

    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[tuple[Entry, Entry], ...]

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed)


def diff_versions(repository: Repository, a: VersionRecord, b: VersionRecord) -> Diff:
    """What has to be added, removed and changed to get from `a` to `b`."""
    before, after = repository.manifest(a), repository.manifest(b)
    # Equal canonical digests mean equal paths with equal content, and a path is in one page only: such pages say nothing.
    same = {page.canonical for page in before.pages} & {page.canonical for page in after.pages}
    old = _entries_outside(repository, before, same)
    new = _entries_outside(repository, after, same)
    changed = ((old[path], new[path]) for path in sorted(old.keys() & new.keys()))
    return Diff(
        added=_without_full_directories(new[path] for path in sorted(new.keys() - old.keys())),
        removed=_without_full_directories(old[path] for path in sorted(old.keys() - new.keys())),
        changed=tuple((one, two) for one, two in changed if not one.same_content(two)),
    )


def _entries_outside(repository: Repository, manifest: Manifest, same: Iterable[bytes]) -> dict[str, Entry]:
    pages = [page.chunk for page in manifest.pages if page.canonical not in same]
    return {entry.path: entry for data in repository.chunks.read(pages) for entry in decode_page(data)}


def _without_full_directories(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    listed = list(entries)
    full = {parent for entry in listed for parent in parent_paths(entry.path)}
    return tuple(entry for entry in listed if entry.kind is not Kind.DIRECTORY or entry.path not in full)
