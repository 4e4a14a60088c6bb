"""Taking in files: what comes out is what went in, stored once, in few requests, within bounds."""

from __future__ import annotations

import os
import stat
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artfs.chunks.cutter import AVERAGE_SIZE
from artfs.content.add_files import BATCH_FILES, WHOLE_SIZE, WINDOW_SIZE
from artfs.content.walk import walk_directory
from artfs.errors import SourceNotReadable, StoreFull
from artfs.model.digest import digest_of
from artfs.objectstore.memory import MemoryStore
from tests.unit.content.made_bytes import noise
from tests.unit.content.workbench import DictPackIndex, Workbench

SIZES = [0, 1, 100, AVERAGE_SIZE, AVERAGE_SIZE + 1, 300_000, WHOLE_SIZE, WHOLE_SIZE + 1, WINDOW_SIZE + 70_000, 2 * WINDOW_SIZE + 5]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_any_size_comes_back(bench: Workbench, size: int) -> None:
    data = noise(size)
    (entry,), _ = bench.add([("f", bench.write_file("f", data))])
    assert entry.digest == digest_of(data)
    assert entry.size == size
    assert bench.reader.read(entry, 0, size + 1) == data


def test_size_and_mtime_and_the_executable_bit_are_kept(bench: Workbench) -> None:
    plain, runs = bench.write_file("plain", b"1"), bench.write_file("runs", b"22")
    runs.chmod(0o744)
    os.utime(plain, ns=(5, 1_234_567_890_123_456_789))
    entries, _ = bench.add([("p", plain), ("r", runs)])
    assert [(entry.path, entry.size, entry.executable) for entry in entries] == [("p", 1, False), ("r", 2, True)]
    assert entries[0].mtime_ns == 1_234_567_890_123_456_789


def test_many_files_keep_their_order_and_content(bench: Workbench) -> None:
    files = [
        (f"f{number}", bench.write_file(f"f{number}", noise(number * 37 % 90_000, number))) for number in range(3 * BATCH_FILES)
    ]
    files.insert(7, ("long", bench.write_file("long", noise(WHOLE_SIZE + 10))))
    told: list[tuple[int, int]] = []
    ingest = bench.ingest()
    entries = ingest.add_files(files, on_progress=lambda count, size: told.append((count, size)))
    ingest.finish()
    assert [entry.path for entry in entries] == [path for path, _ in files]
    for entry, (_, place) in zip(entries, files, strict=True):
        assert bench.reader.read(entry, 0, entry.size) == place.read_bytes()
    assert told == sorted(told)
    assert told[-1] == (len(files), sum(place.stat().st_size for _, place in files))


def test_small_files_become_few_objects_and_few_lookups(bench: Workbench) -> None:
    files = [(f"f{number}", bench.write_file(f"f{number}", noise(2000, number))) for number in range(1000)]
    bench.add(files)
    assert bench.objects.counts()["put"] == 1
    assert len(bench.packs.lookups) <= 1000 // BATCH_FILES + 1


@pytest.mark.parametrize("size", [0, 99, 101, 5000])
def test_a_file_that_changed_its_size_since_it_was_found_is_as_it_is_now_or_refused(bench: Workbench, size: int) -> None:
    for number in range(3):
        bench.write_file(f"src/{number}", noise(100, number))
    found = walk_directory(bench.folder / "src").found
    bench.write_file("src/1", noise(size))
    ingest = bench.ingest()
    if size > 100:  # no room was kept for more than was found
        with pytest.raises(SourceNotReadable, match="1 changed while it was read"):
            ingest.add_found(found)
        return
    entries = ingest.add_found(found)
    ingest.finish()
    assert [entry.size for entry in entries] == [100, size, 100]
    assert [bench.reader.read(entry, 0, 100) for entry in entries] == [noise(100, 0), noise(size), noise(100, 2)]


def test_memory_of_short_files_is_used_again_only_when_they_are_stored(bench: Workbench) -> None:
    sizes = [1, 3_000_000, 70_000, 0, WHOLE_SIZE, 20_000, WINDOW_SIZE + 5, 1_200_000] * 6
    files = [(f"f{number}", bench.write_file(f"f{number}", noise(size, number))) for number, size in enumerate(sizes)]
    entries, _ = bench.add(files)
    for entry, (_, place) in zip(entries, files, strict=True):
        assert bench.fresh_reader().read(entry, 0, entry.size) == place.read_bytes()


def test_equal_content_is_stored_once_in_one_ingest(bench: Workbench) -> None:
    data = noise(300_000)
    files = [(f"f{number}", bench.write_file(f"f{number}", data)) for number in range(5 * BATCH_FILES)]
    entries, ingest = bench.add(files)
    assert ingest.stored_bytes == len(data)
    assert {entry.content for entry in entries} == {entries[0].content}


def test_zeros_of_a_long_file_are_stored_once(bench: Workbench) -> None:
    place = bench.folder / "sparse"
    with place.open("wb") as file:
        file.truncate(100 << 20)
    (entry,), ingest = bench.add([("sparse", place)])
    assert entry.size == 100 << 20
    # Chunks of zeros, which compress to next to nothing, and one chunk list.
    assert ingest.stored_bytes < 64 << 10
    assert bench.reader.read(entry, (100 << 20) - 10, 100) == bytes(10)


def test_content_of_earlier_versions_is_not_stored_again(bench: Workbench) -> None:
    data = noise(WINDOW_SIZE + 100_000)
    bench.add([("f", bench.write_file("f", data))])
    changed = data[:4_000_000] + b"inserted" + data[4_000_000:]
    (entry,), ingest = bench.add([("f", bench.write_file("f", changed))])
    assert ingest.stored_bytes < 600_000
    assert bench.reader.read(entry, 0, entry.size) == changed


def test_content_of_a_commit_that_never_came_is_not_used(bench: Workbench) -> None:
    place = bench.write_file("f", noise(1000))
    abandoned = bench.ingest()
    abandoned.add_file(place, "f")
    abandoned.finish()  # its packs are durable, but no version was made of them
    _, ingest = bench.add([("f", place)])
    assert ingest.stored_bytes == 1000


def test_a_file_of_many_chunks_has_its_references_in_lists(bench: Workbench) -> None:
    data = noise(96 << 20)
    (entry,), _ = bench.add([("f", bench.write_file("f", data))])
    content = entry.content
    assert content.is_indirect
    assert sum(content.spans) == entry.size
    assert len(content.refs) < 20
    assert {ref.pack for ref in content.refs}.isdisjoint(content.packs)
    assert bench.reader.read(entry, 50 << 20, 1 << 20) == data[50 << 20 : 51 << 20]
    assert digest_of(data) == entry.digest


def test_a_file_of_more_than_two_gibibytes_comes_back(bench: Workbench) -> None:
    place = bench.folder / "sparse"
    size = (2 << 30) + 12_345
    with place.open("wb") as file:
        file.truncate(size)
        file.seek(size - 5)
        file.write(b"the e")
    (entry,), _ = bench.add([("sparse", place)])
    assert entry.size == size
    assert bench.reader.read(entry, size - 10, 100) == bytes(5) + b"the e"
    assert bench.reader.read(entry, (2 << 30) - 3, 6) == bytes(6)


def test_memory_does_not_grow_with_the_file(bench: Workbench) -> None:
    place = bench.folder / "sparse"
    with place.open("wb") as file:
        file.truncate(300 << 20)
    tracemalloc.start()
    try:
        bench.add([("sparse", place)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20


def test_what_waits_for_a_slow_store_is_bounded(tmp_path: Path) -> None:
    class CountingStore(MemoryStore):
        """Notes how far the reader had come whenever a pack was put."""

        def put(self, key, data):  # type: ignore[no-untyped-def]
            stored.append(ingest.stored_bytes)
            super().put(key, data)

    stored: list[int] = []
    bench = Workbench(tmp_path, objects=CountingStore())
    place = bench.write_file("f", noise(136 << 20))
    ingest = bench.ingest()
    ingest.add_file(place, "f")
    ingest.finish()
    # When the n-th pack goes up, no more than the two after it may have been placed.
    for number, placed in enumerate(stored[:-2]):
        assert placed <= (number + 4) * (33 << 20)
    bench.close()


def test_bytes_from_memory_are_content_too(bench: Workbench) -> None:
    ingest = bench.ingest()
    data = noise(500_000)
    entry = ingest.add_bytes(data, "m", mtime_ns=7, executable=True)
    empty = ingest.add_bytes(b"", "e")
    ingest.finish()
    assert (entry.size, entry.mtime_ns, entry.executable, entry.digest) == (500_000, 7, True, digest_of(data))
    assert bench.reader.read(entry, 0, 500_000) == data
    assert (empty.size, empty.content.refs, empty.digest) == (0, (), digest_of(b""))
    assert empty.mtime_ns > 0


def test_bytes_and_the_same_file_are_the_same_content(bench: Workbench) -> None:
    data = noise(400_000)
    ingest = bench.ingest()
    from_memory = ingest.add_bytes(data, "f")
    from_file = ingest.add_file(bench.write_file("f", data), "f")
    ingest.finish()
    assert from_memory.content == from_file.content


def test_manifest_chunks_lie_in_packs_of_their_own(bench: Workbench) -> None:
    ingest = bench.ingest()
    page = ingest.put_chunk(b"a page")
    data = ingest.add_bytes(b"data", "f")
    again = ingest.put_chunk(b"a page")
    ingest.finish()
    assert page == again
    assert page.pack != data.content.refs[0].pack
    assert page.pack[:12] == data.content.refs[0].pack[:12] == ingest.lease


def test_several_threads_may_add_at_once(bench: Workbench) -> None:
    ingest = bench.ingest()
    common = noise(200_000, 99)
    found: dict[int, list[bytes]] = {}

    def add(thread: int) -> None:
        place = bench.write_file(f"own-{thread}", noise(150_000, thread))
        shared = bench.write_file(f"shared-{thread}", common)
        entries = ingest.add_files([("own", place), ("shared", shared)])
        found[thread] = [entry.digest for entry in entries]

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    ingest.finish()
    assert found == {number: [digest_of(noise(150_000, number)), digest_of(common)] for number in range(6)}
    assert ingest.stored_bytes == 6 * 150_000 + 200_000


@pytest.mark.parametrize("make", ["missing", "folder", "pipe", "loop", "too-long", "nul"])
def test_what_cannot_be_read_is_named(bench: Workbench, make: str) -> None:
    place = bench.folder / make
    if make == "folder":
        place.mkdir()
    elif make == "pipe":
        os.mkfifo(place)
    elif make == "loop":
        place.symlink_to(place)
    elif make == "too-long":
        place = bench.folder / ("too-long" * 40)
    elif make == "nul":
        place = bench.folder / "nul\0"
    ingest = bench.ingest()
    with pytest.raises(SourceNotReadable, match=make):
        ingest.add_file(place, "f")
    ingest.abort()


def test_after_a_bad_file_the_ingest_goes_on(bench: Workbench) -> None:
    good = bench.write_file("good", noise(70_000))
    ingest = bench.ingest()
    with pytest.raises(SourceNotReadable, match="missing does not exist"):
        ingest.add_files([("good", good), ("missing", bench.folder / "missing")])
    entry = ingest.add_file(good, "good")
    ingest.finish()
    assert bench.reader.read(entry, 0, 70_000) == good.read_bytes()


def test_a_long_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "growing"

    def grow() -> None:
        with place.open("ab") as file:
            file.write(b"x")

    with place.open("wb") as file:
        file.truncate(6 * WINDOW_SIZE)
    bench = Workbench(tmp_path, packs=DictPackIndex(on_find=grow))
    ingest = bench.ingest()
    with pytest.raises(SourceNotReadable, match="growing changed while it was read"):
        ingest.add_file(place, "f")
    ingest.abort()
    bench.close()


def test_a_full_store_is_reported_and_nothing_is_committed(tmp_path: Path) -> None:
    class FullStore(MemoryStore):
        def put(self, key, data):  # type: ignore[no-untyped-def]
            raise StoreFull("no room for the pack: make room and try again")

    bench = Workbench(tmp_path, objects=FullStore())
    ingest = bench.ingest()
    ingest.add_file(bench.write_file("f", b"data"), "f")
    with pytest.raises(StoreFull):
        ingest.finish()
    ingest.abort()
    assert bench.packs.packs == {}
    bench.close()


def test_an_aborted_ingest_leaves_nothing_that_is_found(bench: Workbench) -> None:
    ingest = bench.ingest()
    ingest.add_file(bench.write_file("f", noise(1000)), "f")
    ingest.abort()
    assert bench.objects.counts().get("put", 0) == 0


@given(st.lists(st.tuples(st.sampled_from(["a", "b/c", "b/d", "e"]), st.integers(0, 200_000), st.integers(0, 3)), max_size=6))
@settings(deadline=None, max_examples=25)
def test_any_folder_comes_back(tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, int, int]]) -> None:
    folder = tmp_path_factory.mktemp("ingest")
    bench = Workbench(folder)
    for path, size, seed in made:
        bench.write_file(f"src/{path}", noise(size, seed))
    (folder / "src").mkdir(exist_ok=True)
    entries, _ = bench.add(walk_directory(folder / "src").files)
    assert sorted(entry.path for entry in entries) == sorted({path for path, _, _ in made})
    for entry in entries:
        place = folder / "src" / entry.path
        assert bench.reader.read(entry, 0, entry.size) == place.read_bytes()
        assert entry.mtime_ns == place.stat().st_mtime_ns
        assert entry.executable == bool(place.stat().st_mode & stat.S_IXUSR)
    bench.close()
