"""References to local files: what is recorded of them, and what is read again (I9)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artfs.errors import AccessDenied, ArtfsError, NotFound, ReferenceChanged, UserError
from artfs.model.digest import digest_of
from artfs.model.entry import Reference
from artfs.references.local_files import LocalFiles, path_of
from artfs.references.open import open_references
from artfs.references.verified_files import KEPT_FROM_SIZE

#: Ten steps of the kernel's clock, where artfs waits for two seconds.
MARGIN_NS = 40_000_000
DATA = bytes(range(256)) * 400
LARGE = os.urandom(1 << 16) * (KEPT_FROM_SIZE >> 16)


def open_home(cache: Path) -> LocalFiles:
    return LocalFiles(cache, margin_ns=MARGIN_NS)


@pytest.fixture
def home(tmp_path: Path) -> LocalFiles:
    return open_home(tmp_path / "cache")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "data.bin"
    place.write_bytes(DATA)
    return place


def found_in(home: LocalFiles, uri: str) -> list[Reference]:
    return [found.reference for found in home.expand(uri)]


def recorded(home: LocalFiles, place: Path) -> Reference:
    (reference,) = found_in(home, place.as_uri())
    return reference


def read(home: LocalFiles, reference: Reference, offset: int = 0, length: int = 1 << 30) -> bytes:
    return b"".join(home.fetch(reference, offset, length).pieces)


def wait_until_settled(place: Path) -> None:
    """Wait until the last change of the file is so old that its stamp is believed."""
    deadline = time.monotonic() + 20
    while time.time_ns() - place.stat().st_ctime_ns <= MARGIN_NS:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_is_recorded_is_the_digest_the_size_and_the_time(home: LocalFiles, file: Path) -> None:
    (found,) = home.expand(file.as_uri())
    assert found.name == "data.bin"
    assert found.reference == Reference(file.as_uri(), f"blake3:{digest_of(DATA).hex()}", None, len(DATA))
    assert found.mtime_ns == file.stat().st_mtime_ns


def test_a_file_that_was_touched_or_copied_back_is_still_the_same(home: LocalFiles, file: Path) -> None:
    reference = recorded(home, file)
    os.utime(file, (1, 1))
    assert read(home, reference) == DATA
    file.unlink()
    file.write_bytes(DATA)
    assert read(home, reference, 5, 5) == DATA[5:10]
    assert home.look(reference) == reference


def test_a_change_that_leaves_size_and_mtime_as_they_were_is_found(home: LocalFiles, file: Path) -> None:
    reference = recorded(home, file)
    wait_until_settled(file)
    assert read(home, reference) == DATA
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ReferenceChanged) as caught:
        read(home, reference, 1000, 10)
    assert digest_of(DATA).hex() in str(caught.value)
    assert digest_of(file.read_bytes()).hex() in str(caught.value)


def test_a_change_within_a_step_of_the_clock_is_found(home: LocalFiles, file: Path) -> None:
    # A file that has just been written is digested each time: its stamp may be that of other bytes, too.
    reference = recorded(home, file)
    for number in range(50):
        file.write_bytes(bytes([number + 1]) + DATA[1:])
        with pytest.raises(ReferenceChanged):
            read(home, reference)
        file.write_bytes(DATA)
        assert read(home, reference, 0, 1) == DATA[:1]


def test_a_file_of_another_size_is_not_digested(home: LocalFiles, tmp_path: Path) -> None:
    place = tmp_path / "huge.bin"
    place.touch()
    os.truncate(place, 1 << 42)
    with pytest.raises(ReferenceChanged, match=f"found {1 << 42} bytes"):
        read(home, Reference(place.as_uri(), "blake3:" + "0" * 64, None, 10), 0, 10)


def test_without_a_recorded_digest_nothing_is_digested(home: LocalFiles, tmp_path: Path) -> None:
    place = tmp_path / "huge.bin"
    place.touch()
    os.truncate(place, 1 << 42)
    assert home.look(Reference(place.as_uri())) == Reference(place.as_uri(), size=1 << 42)
    assert read(home, Reference(place.as_uri()), 1 << 41, 5) == bytes(5)


def test_a_write_between_two_pieces_is_found(home: LocalFiles, tmp_path: Path) -> None:
    place = tmp_path / "large.bin"
    place.write_bytes(LARGE * 3)
    reference = recorded(home, place)
    wait_until_settled(place)
    pieces = home.fetch(reference, 0, len(LARGE) * 3).pieces
    assert next(pieces)
    with place.open("r+b") as opened:
        opened.seek(len(LARGE) * 2)
        opened.write(b"x")
    with pytest.raises(ReferenceChanged, match="being written to"):
        list(pieces)


def test_a_large_file_is_digested_once_for_all_processes(tmp_path: Path) -> None:
    place, cache = tmp_path / "large.bin", tmp_path / "cache"
    place.write_bytes(LARGE)
    wait_until_settled(place)
    reference = recorded(open_home(cache), place)
    (kept,) = cache.iterdir()
    assert kept.read_text().strip() == digest_of(LARGE).hex()
    # Another process believes what is kept: here it is made to believe something else.
    kept.write_text("0" * 64)
    with pytest.raises(ReferenceChanged, match=r"found digest 0{64}"):
        read(open_home(cache), reference, 0, 1)
    for damaged in ("", "nonsense", "0" * 63, "\xff" * 64):
        kept.write_bytes(damaged.encode("latin-1"))
        assert read(open_home(cache), reference, 10, 10) == LARGE[10:20]


def test_small_files_leave_nothing_in_the_cache(home: LocalFiles, file: Path, tmp_path: Path) -> None:
    wait_until_settled(file)
    read(home, recorded(home, file))
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    place = tmp_path / "large.bin"
    place.write_bytes(LARGE)
    wait_until_settled(place)
    home = open_home(tmp_path / "cache")
    assert read(home, recorded(home, place), 3, 3) == LARGE[3:6]


def test_threads_that_need_one_digest_wait_for_one_of_them(home: LocalFiles, tmp_path: Path) -> None:
    place = tmp_path / "large.bin"
    place.write_bytes(LARGE)
    wait_until_settled(place)
    reference = Reference(place.as_uri(), f"blake3:{digest_of(LARGE).hex()}", None, len(LARGE))
    start = threading.Barrier(8)

    def check(number: int) -> None:
        start.wait(20)
        assert read(home, reference, number, 100) == LARGE[number : number + 100]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(check, range(8)))


def test_files_are_closed_whatever_becomes_of_their_pieces(home: LocalFiles, file: Path) -> None:
    reference = recorded(home, file)
    wait_until_settled(file)
    read(home, reference)
    before = len(list(Path("/proc/self/fd").iterdir()))
    fetched = [home.fetch(reference, 0, 10) for _ in range(10)]
    del fetched
    with pytest.raises(ReferenceChanged):
        home.fetch(Reference(reference.uri, "blake3:" + "0" * 64), 0, 10)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Folders


def test_a_folder_gives_its_files_hidden_ones_included_and_symlinks_followed(home: LocalFiles, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    (root / "a/b").mkdir(parents=True)
    (root / "empty").mkdir()
    for path in ("a/b/100%.txt", "a/.hidden", "z ä#?.txt"):
        (root / path).write_text(path)
    (root / "link.txt").symlink_to("a/.hidden")
    (root / "linked").symlink_to("a/b")
    found = list(home.expand(root.as_uri() + "/"))
    assert [one.name for one in found] == ["a/.hidden", "a/b/100%.txt", "link.txt", "linked/100%.txt", "z ä#?.txt"]
    for one in found:
        assert one.reference.uri.startswith(root.as_uri() + "/")
        assert path_of(one.reference.uri) == str(root / one.name)
        assert read(home, one.reference) == (root / one.name).read_bytes()


def _make_circle(root: Path) -> None:
    (root / "again").symlink_to(root)


def _make_dead_link(root: Path) -> None:
    (root / "dead").symlink_to("nowhere")


def _make_pipe(root: Path) -> None:
    os.mkfifo(root / "pipe")


@pytest.mark.parametrize(("make", "name"), [(_make_circle, "again"), (_make_dead_link, "dead"), (_make_pipe, "pipe")])
def test_what_cannot_be_read_in_a_folder_is_refused_by_place(
    home: LocalFiles, tmp_path: Path, make: Callable[[Path], None], name: str
) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    make(root)
    with pytest.raises(UserError) as caught:
        list(home.expand(root.as_uri()))
    assert str(root / name) in str(caught.value)
    assert "remove it" in str(caught.value)


def test_a_folder_is_listed_no_further_than_it_is_looked_at(home: LocalFiles, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    (root / "b").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "b/pipe").touch()
    found = home.expand(root.as_uri())
    assert next(found).name == "a.txt"
    (root / "b/pipe").unlink()
    os.mkfifo(root / "b/pipe")
    with pytest.raises(UserError, match="pipe"):
        next(found)


def test_a_folder_without_checksum_is_its_files_and_none_is_read(tmp_path: Path) -> None:
    root = tmp_path / "folder"
    (root / "a").mkdir(parents=True)
    (root / "a/huge.bin").touch()
    os.truncate(root / "a/huge.bin", 1 << 42)
    (root / "b#.txt").touch()
    references = open_references(tmp_path / "cache")
    entries = references.find(root.as_uri(), name="x", checksum=False)
    assert [(entry.path, entry.size) for entry in entries] == [("x/b#.txt", 0), ("x/a/huge.bin", 0)]
    assert [entry.reference for entry in entries] == [
        Reference(f"{root.as_uri()}/b%23.txt"),
        Reference(f"{root.as_uri()}/a/huge.bin"),
    ]
    with pytest.raises(UserError, match="max_objects="):
        references.find(root.as_uri(), checksum=False, max_objects=1)
    (entry,) = references.find((root / "missing.txt").as_uri(), checksum=False)
    assert entry.path == "missing.txt"
    references.close()


# URIs


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a/b", "/a/b"),
        ("file://localhost/a", "/a"),
        ("FILE:///a", "/a"),
        ("file:///a%20b%23c", "/a b#c"),
        ("file:///a b?c#d", "/a b?c#d"),
        ("file:///100%", "/100%"),
        ("file:///ä", "/ä"),
        ("file:///%C3%A4", "/ä"),
        ("file:///%FF", os.fsdecode(b"/\xff")),
    ],
)
def test_the_path_is_decoded_and_has_no_query(uri: str, path: str) -> None:
    assert path_of(uri) == path


@pytest.mark.parametrize("uri", ["file://host/a", "file://relative.txt", "file://", "file://~/a"])
def test_a_path_elsewhere_or_a_relative_one_is_refused(home: LocalFiles, uri: str) -> None:
    with pytest.raises(UserError, match="three slashes") as caught:
        list(home.expand(uri))
    assert uri in str(caught.value)


def test_nothing_there_is_not_found(home: LocalFiles, tmp_path: Path, file: Path) -> None:
    for place in (tmp_path / "100% missing", file / "below"):
        with pytest.raises(NotFound) as caught:
            list(home.expand(place.as_uri()))
        assert str(place) in str(caught.value)


@pytest.mark.without_rights
def test_what_may_not_be_read_is_told_with_its_place(home: LocalFiles, tmp_path: Path, file: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    file.chmod(0)
    for uri in (file.as_uri(), (tmp_path / "closed").as_uri(), (tmp_path / "closed").as_uri() + "/below"):
        with pytest.raises(AccessDenied) as caught:
            list(home.expand(uri))
        assert str(tmp_path) in str(caught.value)
    (tmp_path / "closed").chmod(0o700)


@pytest.mark.parametrize("uri", ["file:///dev/null", "file:///"])
def test_what_is_no_file_gives_no_bytes(home: LocalFiles, uri: str) -> None:
    with pytest.raises(ArtfsError, match=r"no regular file|is a folder"):
        home.fetch(Reference(uri), 0, 10)


def test_a_folder_in_the_place_of_a_file_is_a_change(home: LocalFiles, file: Path) -> None:
    reference = recorded(home, file)
    file.unlink()
    file.mkdir()
    for ask in (lambda: home.fetch(reference, 0, 10), lambda: home.look(reference)):
        with pytest.raises(ReferenceChanged, match=r"is not what was recorded: recorded digest .*, found a folder"):
            ask()


def test_a_path_with_a_nul_is_refused(home: LocalFiles) -> None:
    with pytest.raises(UserError, match="no path on this machine"):
        list(home.expand("file:///a%00b"))
