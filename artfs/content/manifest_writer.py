"""Writes manifests: whole ones, and edits of one that is stored already.

Both give the same pages for the same entries, byte for byte, because pages are cut by paths alone; an edit only saves the reading
and writing of those that no change falls into. Neither opens files: entries come from `ingest`, or from other manifests.

Plain functions without state; one call runs in one thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from heapq import merge

from artfs.content.key_ranges import KeyRange, SortKey, covers, overlaps, unite
from artfs.content.manifests import Manifest, iter_ranges
from artfs.content.page_writer import PageWriter, WrittenManifest
from artfs.errors import InternalError, NameNotValid
from artfs.model.entry import ChunkRef, Entry, Kind, directory_entry, parent_paths

__all__ = ["WrittenManifest", "edit_manifest", "write_manifest"]


def write_manifest(entries: Iterable[Entry], put_chunk: Callable[[bytes], ChunkRef]) -> WrittenManifest:
    """Store a manifest of `entries`, which are in manifest order with all directories among them (`model.entry.with_parents`).

    Raises NameNotValid when a path is below one that is no directory (`x` beside `x/y`).
    """
    writer = PageWriter(put_chunk)
    directories = {""}
    last: SortKey | None = None
    for entry in entries:
        key = entry.sort_key
        if last is not None and key <= last:
            raise InternalError(f"the entries of a manifest are not in order: {entry.path!r} comes after {'/'.join(last)!r}")
        if key[0] not in directories:
            raise _not_below_a_file(entry.path, key[0])
        if entry.kind is Kind.DIRECTORY:
            directories.add(entry.path)
        writer.add(entry)
        last = key
    return writer.finish()


def edit_manifest(
    base: Manifest,
    *,
    removed: Iterable[str],
    added: Iterable[Entry],
    put_chunk: Callable[[bytes], ChunkRef],
) -> WrittenManifest:
    """Store the manifest that `base` becomes when `removed` paths, with all below them, go and then `added` entries come.

    An added entry takes the place of the one at its path; missing directories above it are added. A removed path that is not there
    is no error. Pages that no change falls into are not even read. Raises NameNotValid for `x` beside `x/y`.
    """
    removed_paths = set(removed)
    ranges = unite(span for path in removed_paths for span in iter_ranges(base, path))
    additions = _complete(base, removed_paths, added)
    keys = sorted(additions)
    writer = PageWriter(put_chunk)
    taken = 0
    for index, page in enumerate(base.pages):
        start = page.first if index else ("", "")
        end = base.pages[index + 1].first if index + 1 < len(base.pages) else None
        upto = len(keys) if end is None else bisect_left(keys, end)
        new = [additions[key] for key in keys[taken:upto]]
        taken = upto
        if not new and writer.is_between_pages and not overlaps(ranges, start, end):
            writer.reuse(page)
        elif not new and covers(ranges, start, end):
            continue  # its end goes as well: whatever is open then goes on into the next page, which is read because of that
        else:
            old = base.read_page(index)
            entries = list(_merge(old, new, ranges))
            if writer.is_between_pages and entries == list(old):
                writer.reuse(page)
            else:
                for entry in entries:
                    writer.add(entry)
    for key in keys[taken:]:  # only when the base has no pages at all
        writer.add(additions[key])
    return writer.finish()


def _merge(old: Iterable[Entry], new: list[Entry], ranges: list[KeyRange]) -> Iterator[Entry]:
    """The entries of a page without those in `ranges`, the new ones among them; a new one replaces the old one of its path."""
    replaced = {entry.path for entry in new}
    kept = (entry for entry in old if entry.path not in replaced and not _is_in(ranges, entry.sort_key))
    return merge(kept, new, key=lambda entry: entry.sort_key)


def _is_in(ranges: list[KeyRange], key: SortKey) -> bool:
    return overlaps(ranges, key, (key[0], key[1] + "\0"))


def _complete(base: Manifest, removed: set[str], added: Iterable[Entry]) -> dict[SortKey, Entry]:
    """The added entries and the directories they lack, by sort key; refuses what cannot be beside each other."""
    by_path = {entry.path: entry for entry in added}
    for path in list(by_path):
        for parent in parent_paths(path):
            if parent in by_path:
                if by_path[parent].kind is not Kind.DIRECTORY:
                    raise _not_below_a_file(path, parent)
                break
            there = None if _is_removed(removed, parent) else base.get(parent)
            if there is not None:
                if there.kind is not Kind.DIRECTORY:
                    raise _not_below_a_file(path, parent)
                break
            by_path[parent] = directory_entry(parent)
    for path, entry in by_path.items():
        if entry.kind is not Kind.DIRECTORY:
            _check_nothing_below(base, removed, path)
    return {entry.sort_key: entry for entry in by_path.values()}


def _check_nothing_below(base: Manifest, removed: set[str], path: str) -> None:
    """Refuse a file in the place of a directory in which something stays."""
    if _is_removed(removed, path) or not base.is_directory(path):
        return
    for below in base.iter_entries(path):
        if below.path != path and not _is_removed(removed, below.path):
            raise _not_below_a_file(below.path, path)


def _is_removed(removed: set[str], path: str) -> bool:
    return path in removed or any(parent in removed for parent in parent_paths(path))


def _not_below_a_file(path: str, parent: str) -> NameNotValid:
    return NameNotValid(f"{path!r} cannot be beside {parent!r}, which is not a directory: remove or rename one of them")
