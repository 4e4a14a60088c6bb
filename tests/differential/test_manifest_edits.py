"""An edited manifest is, byte for byte, the one that writing all entries anew would give; and reads like a dict."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from artfs.content.manifest_writer import edit_manifest, write_manifest
from artfs.content.manifests import ManifestStore
from artfs.errors import NameNotValid
from artfs.model.entry import Entry, Kind, directory_entry, with_parents
from tests.unit.content.chunk_box import ChunkBox
from tests.unit.content.made_entries import file_entry, names_that_end_pages

#: In small trees a page would never end by chance, so names after which one ends are among the others.
NAMES = st.sampled_from(
    ["a", "a-b", "a0", "b", "c", "z", *(name for place in ("", "a", "b") for name in names_that_end_pages(place, 5))]
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TREES = st.sets(PATHS, max_size=40)


def full_edit(base: list[Entry], removed: set[str], added: list[Entry]) -> list[Entry] | None:
    """What the edit means, on a dict; None where it cannot be."""
    kept = {
        entry.path: entry for entry in base if not any(entry.path == path or entry.path.startswith(path + "/") for path in removed)
    }
    for entry in added:
        if entry.kind is not Kind.DIRECTORY and any(path.startswith(entry.path + "/") for path in kept):
            return None
        kept[entry.path] = entry
    files = {path for path, entry in kept.items() if entry.kind is not Kind.DIRECTORY}
    if any(path.startswith(file + "/") for file in files for path in kept):
        return None
    return with_parents(kept.values())


@given(TREES, st.sets(PATHS, max_size=6), st.sets(PATHS, max_size=8), st.sets(PATHS, max_size=2))
@settings(deadline=None, max_examples=400)
def test_an_edit_gives_the_manifest_that_a_full_write_gives(
    tree: set[str], removed: set[str], added_files: set[str], added_directories: set[str]
) -> None:
    box = ChunkBox()
    paths = [path for path in tree if not any(other.startswith(path + "/") for other in tree)]
    base = with_parents(file_entry(path) for path in paths)
    written = write_manifest(base, box.put)
    added = [file_entry(path, "new") for path in sorted(added_files)]
    added += [directory_entry(path) for path in sorted(added_directories - added_files)]
    expected = full_edit(base, removed, added)
    manifest = ManifestStore(box).open(written.root)
    try:
        edited = edit_manifest(manifest, removed=removed, added=added, put_chunk=box.put)
    except NameNotValid:
        assert expected is None
        return
    assert expected is not None
    # Equal references to equal roots: all pages are the same bytes, too.
    assert edited == write_manifest(expected, box.put)
    assert list(ManifestStore(box).open(edited.root).iter_entries()) == expected


@given(st.lists(st.tuples(st.sets(st.integers(0, 6000), max_size=20), st.booleans()), min_size=1, max_size=4))
@settings(deadline=None, max_examples=15)
def test_a_row_of_edits_of_a_large_manifest_gives_what_a_full_write_gives(edits: list[tuple[set[int], bool]]) -> None:
    box = ChunkBox()
    paths = [f"d{number % 5}/f{number:04}" for number in range(6001)]
    entries = {path: file_entry(path) for path in paths[::2]}
    written = write_manifest(with_parents(entries.values()), box.put)
    directories = {f"d{number}" for number in range(5)}
    for step, (numbers, remove) in enumerate(edits):
        chosen = {paths[number] for number in numbers}
        manifest = ManifestStore(box).open(written.root)
        if remove:
            written = edit_manifest(manifest, removed=chosen, added=[], put_chunk=box.put)
            entries = {path: entry for path, entry in entries.items() if path not in chosen}
        else:
            added = [file_entry(path, str(step)) for path in chosen]
            written = edit_manifest(manifest, removed=[], added=added, put_chunk=box.put)
            entries.update({entry.path: entry for entry in added})
        everything = with_parents([*entries.values(), *(directory_entry(path) for path in directories)])
        assert written == write_manifest(everything, box.put)
