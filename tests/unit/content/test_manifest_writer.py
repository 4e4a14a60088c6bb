"""Writing manifests: what they count, what they refuse, how they are cut."""

from __future__ import annotations

import pytest

from artfs.content.manifest_writer import edit_manifest, write_manifest
from artfs.content.manifests import ManifestStore
from artfs.content.page_writer import LARGEST_PAGE
from artfs.errors import InternalError, NameNotValid
from artfs.model.entry import directory_entry, symlink_entry, with_parents
from tests.unit.content.chunk_box import PACK, ChunkBox
from tests.unit.content.made_entries import file_entry, files_with_parents, names_that_end_pages


@pytest.fixture
def box() -> ChunkBox:
    return ChunkBox()


def test_a_manifest_counts_files_and_their_bytes_but_not_directories_and_symlinks(box: ChunkBox) -> None:
    entries = with_parents([file_entry("a/b/c"), file_entry("d", size=5), symlink_entry("l", "d", 0), directory_entry("empty")])
    written = write_manifest(entries, box.put)
    assert (written.file_count, written.size) == (2, 20_005)
    opened = ManifestStore(box).open(written.root)
    assert (opened.file_count, opened.size, opened.digest) == (2, 20_005, written.digest)
    assert list(opened.iter_entries()) == entries


def test_an_empty_manifest_can_be_written_and_opened(box: ChunkBox) -> None:
    written = write_manifest([], box.put)
    opened = ManifestStore(box).open(written.root)
    assert list(opened.iter_entries()) == []
    assert opened.list() == []
    assert opened.get("a") is None
    assert (opened.size, opened.file_count, opened.digest) == (0, 0, written.digest)


def test_needed_packs_are_those_of_data_pages_and_root(box: ChunkBox) -> None:
    entries = files_with_parents(["a", "b/c"])
    written = write_manifest(entries, box.put)
    data = {ref.pack for entry in entries for ref in entry.content.refs}
    assert written.needed_packs == data | {PACK}


def test_the_digest_sees_neither_places_nor_times(box: ChunkBox) -> None:
    entry = file_entry("a")
    moved = type(entry)("a", size=entry.size, mtime_ns=77, digest=entry.digest, content=file_entry("b").content)
    assert write_manifest([entry], box.put).digest == write_manifest([moved], box.put).digest


@pytest.mark.parametrize("path", ["b", "a", "a/b/c/d"])
def test_the_digest_sees_the_path(box: ChunkBox, path: str) -> None:
    digest = write_manifest(with_parents([file_entry("a/b/c")]), box.put).digest
    assert write_manifest(with_parents([file_entry("a/b/c").at(path)]), box.put).digest != digest


def test_a_file_beside_what_is_below_it_is_refused(box: ChunkBox) -> None:
    with pytest.raises(NameNotValid, match="'x/y' cannot be beside 'x'"):
        write_manifest(with_parents([file_entry("x"), file_entry("x/y")]), box.put)


def test_a_symlink_is_not_a_directory(box: ChunkBox) -> None:
    with pytest.raises(NameNotValid, match="'x/y/z' cannot be beside 'x/y'"):
        write_manifest(with_parents([symlink_entry("x/y", "w", 0), file_entry("x/y/z")]), box.put)


def test_entries_out_of_order_are_a_defect(box: ChunkBox) -> None:
    with pytest.raises(InternalError, match="not in order"):
        write_manifest([file_entry("b"), file_entry("a")], box.put)
    with pytest.raises(InternalError, match="not in order"):
        write_manifest([file_entry("a"), file_entry("a")], box.put)


def test_a_page_ends_where_the_path_says(box: ChunkBox) -> None:
    written = write_manifest(files_with_parents([*names_that_end_pages("", 2), "f", "g"]), box.put)
    assert [page.entry_count for page in ManifestStore(box).open(written.root).pages] == [1, 1, 2]


def test_a_page_of_long_files_has_its_chunk_lists_moved_out(box: ChunkBox) -> None:
    entries = [file_entry(f"f{number:03}", chunk_count=900) for number in range(40)]
    written = write_manifest(entries, box.put)
    opened = ManifestStore(box).open(written.root)
    assert all(page.chunk.size <= LARGEST_PAGE * 1.05 for page in opened.pages)
    back = list(opened.iter_entries())
    assert [entry.digest for entry in back] == [entry.digest for entry in entries]
    assert any(entry.content.is_indirect for entry in back)
    assert any(not entry.content.is_indirect for entry in back)
    for entry, original in zip(back, entries, strict=True):
        assert set(original.content.needed_packs()) <= written.needed_packs
        assert original.content.needed_packs() <= entry.content.needed_packs()


def test_writing_a_page_with_moved_lists_again_changes_nothing(box: ChunkBox) -> None:
    written = write_manifest([file_entry(f"f{number:03}", chunk_count=900) for number in range(40)], box.put)
    before = len(box.chunks)
    again = write_manifest(ManifestStore(box).open(written.root).iter_entries(), box.put)
    assert again == written
    assert len(box.chunks) == before


def test_editing_replaces_adds_and_removes(box: ChunkBox) -> None:
    base = ManifestStore(box).open(write_manifest(files_with_parents(["a", "b/c", "b/d/e", "b-2/x"]), box.put).root)
    written = edit_manifest(base, removed=["b"], added=[file_entry("a", "new"), file_entry("n/m/o")], put_chunk=box.put)
    opened = ManifestStore(box).open(written.root)
    assert [entry.path for entry in opened.iter_entries()] == ["a", "b-2", "n", "b-2/x", "n/m", "n/m/o"]
    assert opened.get("a") == file_entry("a", "new")


def test_removing_a_path_that_is_not_there_changes_nothing(box: ChunkBox) -> None:
    root = write_manifest(files_with_parents(["a", "b/c"]), box.put)
    base = ManifestStore(box).open(root.root)
    assert edit_manifest(base, removed=["nothing", "b/nothing", "a/b"], added=[], put_chunk=box.put) == root


def test_an_edit_may_turn_a_directory_into_a_file_when_it_is_removed(box: ChunkBox) -> None:
    base = ManifestStore(box).open(write_manifest(files_with_parents(["x/y", "z"]), box.put).root)
    written = edit_manifest(base, removed=["x"], added=[file_entry("x")], put_chunk=box.put)
    assert [entry.path for entry in ManifestStore(box).open(written.root).iter_entries()] == ["x", "z"]
    written = edit_manifest(base, removed=["x/y"], added=[file_entry("x")], put_chunk=box.put)
    assert [entry.path for entry in ManifestStore(box).open(written.root).iter_entries()] == ["x", "z"]


def test_an_edit_may_turn_a_file_into_a_directory_when_it_is_removed(box: ChunkBox) -> None:
    base = ManifestStore(box).open(write_manifest(files_with_parents(["x", "z"]), box.put).root)
    written = edit_manifest(base, removed=["x"], added=[file_entry("x/y")], put_chunk=box.put)
    assert [entry.path for entry in ManifestStore(box).open(written.root).iter_entries()] == ["x", "z", "x/y"]


@pytest.mark.parametrize("added", ["x/y/w", "x", "x/y/w/v"])
def test_an_edit_refuses_a_file_beside_what_is_below_it(box: ChunkBox, added: str) -> None:
    base = ManifestStore(box).open(write_manifest(files_with_parents(["x/y"]), box.put).root)
    with pytest.raises(NameNotValid, match="cannot be beside"):
        edit_manifest(base, removed=[], added=[file_entry(added)], put_chunk=box.put)


def test_an_edit_of_the_empty_manifest_is_a_whole_one(box: ChunkBox) -> None:
    files = [file_entry("b/c"), file_entry("a")]
    empty = ManifestStore(box).open(write_manifest([], box.put).root)
    written = edit_manifest(empty, removed=["q"], added=files, put_chunk=box.put)
    assert written == write_manifest(with_parents(files), box.put)


def test_an_edit_reads_and_writes_only_the_pages_it_touches(box: ChunkBox) -> None:
    paths = [f"d{number % 10}/f{number:05}" for number in range(20_000)]
    written = write_manifest(files_with_parents(paths), box.put)
    base = ManifestStore(box).open(written.root)
    assert len(base.pages) > 20
    box.reads.clear()
    puts = box.puts
    edited = edit_manifest(base, removed=[], added=[file_entry("d5/f10005", "new")], put_chunk=box.put)
    # The directory's own entry and the file's: one page each; then the page and the root are written.
    assert len(set(box.reads)) <= 2
    assert box.puts - puts == 2
    shared = set(base.pages) & set(ManifestStore(box).open(edited.root).pages)
    assert len(shared) == len(base.pages) - 1


def test_removing_a_large_directory_does_not_read_it(box: ChunkBox) -> None:
    paths = [f"big/f{number:05}" for number in range(10_000)] + ["a", "z"]
    base = ManifestStore(box).open(write_manifest(files_with_parents(paths), box.put).root)
    assert len(base.pages) > 10
    box.reads.clear()
    written = edit_manifest(base, removed=["big"], added=[], put_chunk=box.put)
    assert len(box.reads) <= 3
    assert written == write_manifest(files_with_parents(["a", "z"]), box.put)
