"""Manifest roots: without loss, refused when they are none, and the version digest."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given

from artfs.errors import IntegrityError
from artfs.model.chunk_list import encode_chunk_refs
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, Entry, Kind, PackId
from artfs.model.manifest_root import PageRef, decode_root, describe_page, encode_root, needed_packs, version_digest
from tests.unit.model.entries import manifests, property_test

PACK = PackId(b"p" * 16)
CHUNK = ChunkRef(Digest(b"c" * 32), 100, PACK, 50, 90)


@property_test
@given(manifests())
def test_what_was_encoded_is_decoded(entries: list[Entry]) -> None:
    pages = [describe_page([entry], CHUNK) for entry in entries]
    assert decode_root(encode_root(pages)) == tuple(pages)


@property_test
@given(manifests().filter(bool))
def test_a_page_counts_files_and_their_bytes_only(entries: list[Entry]) -> None:
    page = describe_page(entries, CHUNK)
    counted = [entry for entry in entries if entry.kind in (Kind.FILE, Kind.REFERENCE)]
    assert (page.entry_count, page.file_count) == (len(entries), len(counted))
    assert page.size == sum(entry.size for entry in counted)
    assert page.first == entries[0].sort_key


@property_test
@given(manifests())
def test_a_version_needs_the_packs_of_its_root_its_pages_and_its_files(entries: list[Entry]) -> None:
    pages = [describe_page([entry], CHUNK) for entry in entries]
    root = ChunkRef(Digest(b"r" * 32), 100, PackId(b"r" * 16), 0, 90)
    expected = {root.pack}.union(*({CHUNK.pack} | entry.content.needed_packs() for entry in entries))
    assert needed_packs(pages, root) == expected


def test_the_digest_of_an_empty_version_is_that_of_nothing() -> None:
    assert version_digest([]) == digest_of(b"")
    assert decode_root(encode_root([])) == ()


def row(**changed: Any) -> list[Any]:
    fields = {
        "directory": "d",
        "name": "n",
        "entries": 2,
        "files": 1,
        "size": 10,
        "canonical": b"x" * 32,
        "chunk": encode_chunk_refs([CHUNK], {PACK: 0}),
        "packs": [0],
    }
    return list({**fields, **changed}.values())


def test_the_row_of_the_cases_below_is_good_without_its_fault() -> None:
    (page,) = decode_root(msgpack.packb([1, PACK, [row()]]))
    assert page == PageRef(("d", "n"), 2, 1, 10, Digest(b"x" * 32), CHUNK, (PACK,))


@pytest.mark.parametrize(
    "changed",
    [
        {"directory": None},
        {"directory": b"d"},
        {"name": ""},
        {"name": 1},
        {"entries": 0},
        {"entries": 1.5},
        {"files": -1},
        {"files": 3},
        {"size": -1},
        {"size": "10"},
        {"canonical": b"x" * 31},
        {"canonical": "x" * 32},
        {"chunk": b""},
        {"chunk": "text"},
        {"chunk": encode_chunk_refs([CHUNK, CHUNK], {PACK: 0})},
        {"packs": [1]},
        {"packs": [-1]},
        {"packs": None},
        {"packs": "0"},
    ],
)
def test_a_row_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        decode_root(msgpack.packb([1, PACK, [row(**changed)]]))


@pytest.mark.parametrize("rows", [[row(), row()], [row(name="b"), row(name="a")], [row()[:-1]], [[]], {}, None])
def test_rows_that_make_no_manifest_are_refused(rows: Any) -> None:
    with pytest.raises(IntegrityError):
        decode_root(msgpack.packb([1, PACK, rows]))


def test_another_format_says_which() -> None:
    with pytest.raises(IntegrityError, match="has format 2; this artfs reads format 1"):
        decode_root(msgpack.packb([2, b"", []]))
