"""What every home of references does, asked of all schemes over real servers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from artfs.errors import NotFound, ReferenceChanged
from artfs.model.entry import Kind, Reference
from artfs.references.references import References
from tests.contract.references.homes import Place, only_reference, read, taken

DATA = bytes(range(256)) * 1200
NAMES = ["data.bin", "ä b.txt", "100%.csv", "a#1?x=2&y.bin", "+plus~tilde.txt", "日本語.txt", "%41.txt"]


def test_one_object_is_one_entry_of_its_name(references: References, place: Place) -> None:
    uri = place.put("deep/down/data.bin", DATA)
    (entry,) = references.find(uri)
    reference = entry.reference
    assert reference is not None
    assert (entry.path, entry.kind, entry.size, entry.executable) == ("data.bin", Kind.REFERENCE, len(DATA), False)
    assert (reference.uri, reference.size) == (uri, len(DATA))
    assert reference.etag
    assert entry.digest == reference.identity()
    assert entry.mtime_ns > 1_600_000_000 * 10**9


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_found_read_and_named(references: References, place: Place, name: str) -> None:
    (entry,) = references.find(place.put(f"names of all kinds/{name}", b"content of " + name.encode()))
    assert entry.path == name
    assert entry.reference is not None
    assert read(references, entry.reference) == b"content of " + name.encode()


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 1), (0, len(DATA)), (1, 1), (65_536, 65_536), (100_000, 7), (len(DATA) - 1, 1), (len(DATA) - 1, 10), (5, 10 * len(DATA))],
)
def test_a_range_is_exact_and_ends_where_the_content_ends(references: References, place: Place, offset: int, length: int) -> None:
    reference = only_reference(references, place.put("data.bin", DATA))
    fetched = references.fetch(reference, offset, length)
    assert fetched.size in {None, len(DATA)}
    assert taken(fetched, offset, length) == DATA[offset : offset + length]


def test_nothing_lies_behind_the_end(references: References, place: Place) -> None:
    reference = only_reference(references, place.put("data.bin", DATA))
    for offset in (len(DATA), len(DATA) + 1, 10**12):
        fetched = references.fetch(reference, offset, 100)
        assert not b"".join(fetched.pieces)[max(0, offset - fetched.start) :]


def test_an_empty_object_is_found_and_read(references: References, place: Place) -> None:
    (entry,) = references.find(place.put("nothing.bin", b""))
    assert entry.reference is not None
    assert (entry.size, entry.reference.size) == (0, 0)
    references.check(entry.reference)
    assert read(references, entry.reference) == b""


def test_what_did_not_change_looks_as_it_was_recorded(references: References, place: Place) -> None:
    uri = place.put("data.bin", DATA)
    reference = only_reference(references, uri)
    assert references.look(reference) == reference
    references.check(reference)
    assert only_reference(references, uri).identity() == reference.identity()


@pytest.mark.parametrize("other", [b"something else", bytes(reversed(DATA))], ids=["of other size", "of equal size"])
def test_changed_content_is_never_taken_for_what_was_recorded(references: References, place: Place, other: bytes) -> None:
    uri = place.put("data.bin", DATA)
    reference = only_reference(references, uri)
    place.put("data.bin", other)
    assert only_reference(references, uri).identity() != reference.identity()
    if place.keeps_versions:
        assert read(references, reference) == DATA
        references.check(reference)
        return
    for offset, length in ((0, 100), (1000, 50), (0, len(DATA))):
        with pytest.raises(ReferenceChanged) as caught:
            read(references, reference, offset, length)
        assert uri in str(caught.value)
        assert caught.value.recorded
        assert caught.value.recorded in str(caught.value)
        assert caught.value.found in str(caught.value)
        assert caught.value.recorded != caught.value.found
    with pytest.raises(ReferenceChanged, match="is not what was recorded"):
        references.check(reference)
    try:
        assert references.look(reference) != reference
    except NotFound:
        assert reference.version_id is not None  # that version is not there any more


def test_what_is_gone_is_told_so(references: References, place: Place) -> None:
    uri = place.put("data.bin", DATA)
    reference = only_reference(references, uri)
    place.delete("data.bin")
    with pytest.raises(NotFound) as caught:
        references.find(uri)
    assert uri in str(caught.value)
    if place.keeps_versions:
        assert read(references, reference) == DATA
        return
    with pytest.raises(ReferenceChanged, match="found nothing") as changed:
        read(references, reference, 10, 10)
    assert uri in str(changed.value)
    with pytest.raises(NotFound):
        references.look(reference)
    with pytest.raises(ReferenceChanged, match="found nothing"):
        references.check(reference)


def test_nothing_there_is_not_found(references: References, place: Place) -> None:
    place.put("there.bin", b"x")
    uri = place.uri_of("not/there.bin")
    with pytest.raises(NotFound) as caught:
        references.find(uri)
    assert uri in str(caught.value)


def test_without_checksum_nobody_is_asked_and_what_is_there_is_read(references: References, place: Place) -> None:
    uri = place.uri_of("data.bin")
    (entry,) = references.find(uri, checksum=False)
    assert entry.reference == Reference(uri)
    assert entry.path == "data.bin"
    with pytest.raises(NotFound):
        references.check(entry.reference)
    with pytest.raises(NotFound):
        read(references, entry.reference, 0, 10)
    place.put("data.bin", DATA)
    references.check(entry.reference)
    assert references.look(entry.reference).size == len(DATA)
    assert read(references, entry.reference, 100, 50) == DATA[100:150]


def test_a_later_range_is_pinned_to_what_was_looked_at(references: References, place: Place) -> None:
    uri = place.put("data.bin", DATA)
    seen = references.look(Reference(uri))
    assert seen.size == len(DATA)
    if seen.etag is None and seen.version_id is None:
        return  # nobody can tell
    assert read(references, seen, 0, 100) == DATA[:100]
    place.put("data.bin", bytes(reversed(DATA)))
    if place.keeps_versions:
        assert read(references, seen, 100, 100) == DATA[100:200]
    else:
        with pytest.raises(ReferenceChanged):
            read(references, seen, 100, 100)


def test_what_is_not_read_to_its_end_is_let_go(references: References, place: Place) -> None:
    reference = only_reference(references, place.put("data.bin", DATA))
    for _ in range(70):
        with closing(references.fetch(reference, 0, len(DATA)).pieces):  # type: ignore[type-var]
            pass
    fetched = references.fetch(reference, 0, len(DATA))
    next(fetched.pieces)
    del fetched
    assert read(references, reference) == DATA


def test_many_threads_read_ranges_of_one_object(references: References, place: Place) -> None:
    reference = only_reference(references, place.put("data.bin", DATA))

    def check(number: int) -> None:
        offset = number * 4001
        assert read(references, reference, offset, 5000) == DATA[offset : offset + 5000]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(check, range(64)))
