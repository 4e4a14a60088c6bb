"""Reading manifests: lookups, listings, walks, and how little of a manifest they read."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artfs.content.manifest_writer import write_manifest
from artfs.content.manifests import Manifest, ManifestStore
from artfs.content.pages import PageCache
from artfs.errors import EntryNotFound, IntegrityError, NotFound, PackMissing
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, Entry, Kind, LeaseId, make_pack_id, with_parents
from artfs.model.manifest_root import PageRef, encode_root
from tests.unit.content.chunk_box import PACK, ChunkBox
from tests.unit.content.made_entries import file_entry, files_with_parents, names_that_end_pages

NAMES = st.sampled_from(["a", "a-b", "a.b", "a0", "b", "é", "z", *names_that_end_pages("", 4), *names_that_end_pages("a", 4)])
TREES = st.sets(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=40)


def without_conflicts(paths: set[str]) -> list[str]:
    """The paths less those that another one lies below."""
    return [path for path in paths if not any(other.startswith(path + "/") for other in paths)]


def write(paths: Sequence[str], box: ChunkBox) -> tuple[Manifest, list[Entry]]:
    entries = files_with_parents(paths)
    return ManifestStore(box).open(write_manifest(entries, box.put).root), entries


@given(TREES, NAMES)
@settings(deadline=None)
def test_a_manifest_answers_like_a_dict(tree: set[str], other: str) -> None:
    manifest, entries = write(without_conflicts(tree), ChunkBox())
    assert list(manifest.iter_entries()) == entries
    by_path = {entry.path: entry for entry in entries}
    directories = ["", *(path for path, entry in by_path.items() if entry.kind is Kind.DIRECTORY)]
    for path in [*by_path, other, f"{other}/{other}"]:
        assert manifest.get(path) == by_path.get(path)
        assert manifest.is_directory(path) == (path in directories)
        below = [entry for entry in entries if entry.path == path or entry.path.startswith(path + "/")]
        assert list(manifest.iter_entries(path)) == below
    for directory in directories:
        assert manifest.list(directory) == [entry for entry in entries if entry.directory == directory]


@pytest.mark.parametrize("path", ["nothing", "d/f", "d/f/g"])
def test_listing_what_is_no_directory_is_not_found(path: str) -> None:
    manifest, _ = write(["d/f"], ChunkBox())
    with pytest.raises(NotFound, match=path) as raised:
        manifest.list(path)
    assert isinstance(raised.value, EntryNotFound)


def test_opening_reads_the_root_only_and_a_lookup_one_page() -> None:
    box = ChunkBox()
    root = write_manifest(files_with_parents(f"f{number:05}" for number in range(5000)), box.put).root
    box.reads.clear()
    store = ManifestStore(box)
    manifest = store.open(root)
    assert box.reads == [root.digest]
    assert manifest.get("f02500") is not None
    assert manifest.get("f02500") is not None
    assert len(box.reads) == 2
    assert store.open(root) is manifest


def test_a_listing_reads_the_pages_of_its_directory_only() -> None:
    box = ChunkBox()
    paths = [f"d{number % 20:02}/f{number:05}" for number in range(20_000)]
    manifest, _ = write(paths, box)
    box.reads.clear()
    assert len(manifest.list("d07")) == 1000
    # About two pages of entries, one where the directory begins and one for its own entry.
    assert len(box.reads) <= len(manifest.pages) // 4


def test_versions_that_share_pages_share_them_in_memory() -> None:
    box = ChunkBox()
    paths = [f"f{number:05}" for number in range(5000)]
    store = ManifestStore(box)
    first = store.open(write_manifest(files_with_parents(paths), box.put).root)
    second = store.open(write_manifest(files_with_parents([*paths, "zzz"]), box.put).root)
    assert first.get("f00000") is second.get("f00000")


def test_decoded_pages_are_bounded() -> None:
    box = ChunkBox()
    root = write_manifest(files_with_parents(f"f{number:05}" for number in range(20_000)), box.put).root
    store = ManifestStore(box, capacity=8000)
    manifest = store.open(root)
    for number in range(0, 20_000, 50):
        assert manifest.get(f"f{number:05}") is not None
        assert store.pages.weight <= 8000


def test_a_walk_through_everything_keeps_nothing() -> None:
    box = ChunkBox()
    root = write_manifest(files_with_parents(f"f{number:05}" for number in range(5000)), box.put).root
    store = ManifestStore(box)
    assert sum(1 for _ in store.open(root).iter_entries()) == 5000
    assert store.pages.weight == 0


def test_many_threads_may_read_one_manifest() -> None:
    box = ChunkBox()
    root = write_manifest(files_with_parents(f"d{number % 7}/f{number:04}" for number in range(2000)), box.put).root
    manifest = ManifestStore(box, capacity=1500).open(root)
    wrong: list[str] = []

    def look(thread: int) -> None:
        for number in range(thread * 250, thread * 250 + 250):
            entry = manifest.get(f"d{number % 7}/f{number:04}")
            if entry != file_entry(f"d{number % 7}/f{number:04}"):
                wrong.append(f"d{number % 7}/f{number:04}")

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


def test_opening_a_manifest_of_a_million_files_takes_few_megabytes() -> None:
    box = ChunkBox()
    pages = []
    for number in range(2000):
        digest = digest_of(number.to_bytes(4, "big"))
        chunk = box.put(digest)._replace(size=30_000, stored_size=30_000)
        pages.append(PageRef((f"images/shard-{number:05}", "000.png"), 500, 500, 500 * 20_000, digest, chunk, (PACK,)))
    root = box.put(encode_root(pages))
    tracemalloc.start()
    try:
        manifest = ManifestStore(box).open(root)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert manifest.file_count == 1_000_000
    assert peak < 16 << 20


def test_a_page_that_is_not_what_the_root_says_is_damage() -> None:
    box = ChunkBox()
    first, _ = write(["a", "b"], box)
    second, _ = write(["c", "d"], box)
    page = first.pages[0]
    swapped = PageRef(page.first, 2, 2, page.size, page.canonical, second.pages[0].chunk, page.packs)
    with pytest.raises(IntegrityError, match="other entries than its root says"):
        Manifest([swapped], first.root, PageCache(box)).get("a")
    too_few = PageRef(page.first, 3, 2, page.size, page.canonical, page.chunk, page.packs)
    with pytest.raises(IntegrityError, match="other entries than its root says"):
        list(Manifest([too_few], first.root, PageCache(box)).iter_entries())


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x93\x02\xc4\x00\x90", b"\xdf\xff\xff\xff\xff", bytes(100)])
def test_a_root_that_is_none_is_damage(data: bytes) -> None:
    box = ChunkBox()
    ref = box.put(data)
    with pytest.raises(IntegrityError):
        ManifestStore(box).open(ref)


def test_entries_of_all_kinds_come_back() -> None:
    box = ChunkBox()
    entries = with_parents([file_entry("a/b"), Entry("a/empty", digest=Digest(digest_of(b"")))])
    assert list(ManifestStore(box).open(write_manifest(entries, box.put).root).iter_entries()) == entries


def test_a_listing_asks_for_many_pages_at_once_and_keeps_them() -> None:
    box = ChunkBox()
    manifest, _ = write([f"d/f{number:05}" for number in range(20_000)], box)
    box.calls = 0
    assert len(manifest.list("d")) == 20_000
    assert box.calls <= 3
    box.calls = 0
    assert manifest.get("d/f00001") is not None
    assert manifest.get("d/f19999") is not None
    assert box.calls == 0


MOVED = make_pack_id(LeaseId(b"moved-there."), 1)


class Row:
    """Where the root of a version lies, as its row says, and how often that was asked for."""

    def __init__(self, root: ChunkRef) -> None:
        self.root: ChunkRef | None = root
        self.asked = 0

    def __call__(self) -> ChunkRef | None:
        self.asked += 1
        return self.root


def test_an_open_manifest_is_read_on_where_it_was_moved_to() -> None:
    box = ChunkBox()
    entries = files_with_parents(f"d/f{number:05}" for number in range(12_000))
    row = Row(write_manifest(entries, box.put).root)
    store = ManifestStore(box)
    old = row.root
    assert old is not None
    by_name, by_walk, by_listing = (ManifestStore(box).open(old, row) for _ in range(3))
    kept = by_walk.iter_entries()
    assert next(kept) == entries[0]
    box.move_to(MOVED)
    row.root = write_manifest(entries, box.put).root
    assert by_name.get("d/f01500") == next(entry for entry in entries if entry.path == "d/f01500")
    assert list(kept) == entries[1:]
    assert by_listing.list("d") == [entry for entry in entries if entry.directory == "d"]
    assert [each.root for each in (by_name, by_walk, by_listing)] == [row.root] * 3
    assert row.asked == 3, "each asks once"
    assert list(store.open(old, row).iter_entries()) == entries, "also when the root itself is gone"


def test_a_manifest_that_is_nowhere_is_missing() -> None:
    box = ChunkBox()
    row = Row(write_manifest(files_with_parents(["a"]), box.put).root)
    root = row.root
    assert root is not None
    store = ManifestStore(box)
    manifest, deleted = store.open(root, row), store.open(root, Row(root))
    box.move_to(MOVED)
    with pytest.raises(PackMissing):
        manifest.get("a")
    row.root = None
    with pytest.raises(PackMissing):
        manifest.get("a")
    with pytest.raises(PackMissing):
        deleted.get("a")
    with pytest.raises(PackMissing):
        ManifestStore(box).open(root)


def test_a_manifest_that_was_moved_has_the_same_content() -> None:
    box = ChunkBox()
    row = Row(write_manifest(files_with_parents(["a"]), box.put).root)
    assert row.root is not None
    manifest = ManifestStore(box).open(row.root, row)
    box.move_to(MOVED)
    row.root = write_manifest([file_entry("a", "another")], box.put).root
    with pytest.raises(IntegrityError, match="other content"):
        manifest.get("a")


@given(TREES, NAMES)
@settings(deadline=None)
def test_going_on_after_a_path_gives_what_a_walk_gives_after_it(tree: set[str], other: str) -> None:
    manifest, entries = write(without_conflicts(tree), ChunkBox())
    for path in [*(entry.path for entry in entries), other]:
        directory, _, name = path.rpartition("/")
        assert list(manifest.iter_after(path)) == [entry for entry in entries if entry.sort_key > (directory, name)]


def test_going_on_after_a_path_reads_no_page_before_it_is_needed() -> None:
    box = ChunkBox()
    root = write_manifest(files_with_parents(f"f{number:05}" for number in range(5000)), box.put).root
    manifest = ManifestStore(box).open(root)
    pages = [manifest.read_page(index) for index in (3, 4)]
    box.reads.clear()
    after = manifest.iter_after(pages[0][0].path)
    assert [next(after) for _ in range(len(pages[0]) - 1)] == list(pages[0][1:])
    assert next(after) == pages[1][0]
    assert box.reads == []
