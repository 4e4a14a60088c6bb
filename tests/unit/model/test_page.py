"""Manifest pages: cut by paths alone, encoded and decoded without loss, refused when they are no pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgpack
import pytest
from hypothesis import given

from artfs.errors import IntegrityError
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, Content, Entry, Kind, PackId, directory_entry, symlink_entry
from artfs.model.page import canonical_digest, cut_into_pages, decode_page, encode_page, ends_page, packs_of_page
from tests.unit.model.entries import manifests, property_test

PACK = PackId(b"p" * 16)
DIGEST = Digest(b"d" * 32)
EMPTY = digest_of(b"")


def file_entry(path: str, size: int = 10) -> Entry:
    return Entry(path, Kind.FILE, size, digest=DIGEST, content=Content((ChunkRef(DIGEST, size, PACK, 0, size),)))


@property_test
@given(manifests())
def test_what_was_encoded_is_decoded(entries: list[Entry]) -> None:
    assert decode_page(encode_page(entries)) == entries


@property_test
@given(manifests())
def test_pages_one_after_the_other_are_the_manifest(entries: list[Entry]) -> None:
    pages = list(cut_into_pages(entries))
    assert [entry for page in pages for entry in page] == entries
    assert all(pages)


def test_a_page_is_a_few_hundred_entries() -> None:
    entries = [file_entry(f"images/{i:06}.jpg") for i in range(50_000)]
    pages = list(cut_into_pages(entries))
    assert 256 < len(entries) / len(pages) < 1024
    assert all(ends_page(page[-1].path) for page in pages[:-1])


def test_adding_a_file_changes_one_page() -> None:
    entries = [file_entry(f"images/{i:06}.jpg") for i in range(20_000)]
    more = sorted([*entries, file_entry("images/010000-new.jpg")], key=lambda entry: entry.sort_key)
    before = {canonical_digest(page) for page in cut_into_pages(entries)}
    after = {canonical_digest(page) for page in cut_into_pages(more)}
    assert len(after - before) <= 2


def test_a_file_of_one_chunk_costs_few_bytes() -> None:
    page = [file_entry(f"images/{i:06}.jpg") for i in range(1000)]
    assert len(encode_page(page)) < 80 * len(page)


def test_the_canonical_digest_sees_content_and_nothing_else() -> None:
    entry = file_entry("a")
    same = replace(entry, mtime_ns=5, content=Content((ChunkRef(DIGEST, 10, PackId(b"q" * 16), 7, 9),)))
    assert canonical_digest([entry]) == canonical_digest([same])
    others = [
        entry.at("b"),
        replace(entry, executable=True),
        replace(entry, digest=EMPTY),
        symlink_entry("a", "x", 0),
        directory_entry("a"),
    ]
    assert len({canonical_digest([other]) for other in [entry, *others]}) == len(others) + 1


@property_test
@given(manifests())
def test_a_page_names_all_packs_its_files_need(entries: list[Entry]) -> None:
    needed = set().union(*(entry.content.needed_packs() for entry in entries))
    assert packs_of_page(entries) == sorted(needed)


def page_of(*rows: Any, directory: Any = "d", packs: Any = PACK, version: Any = 1) -> bytes:
    encoded: bytes = msgpack.packb([version, packs, [[directory, list(rows)]]])
    return encoded


def row(name: Any = "n", flags: Any = 1, mtime_ns: Any = 0, digest: Any = DIGEST, body: Any = (0, 0, 10, 10)) -> list[Any]:
    return [name, flags, mtime_ns, digest, list(body) if isinstance(body, tuple) else body]


def test_the_rows_of_the_cases_below_are_good_without_their_fault() -> None:
    assert [entry.path for entry in decode_page(page_of(row("a"), row("b")))] == ["d/a", "d/b"]


BAD_PAGES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "other format": lambda: page_of(row(), version=2),
    "no list": lambda: msgpack.packb({}),
    "no groups": lambda: msgpack.packb([1, PACK, {}]),
    "no rows": lambda: msgpack.packb([1, PACK, [["d", []]]]),
    "rows of text": lambda: msgpack.packb([1, PACK, [["d", ""]]]),
    "a map": lambda: msgpack.packb([1, PACK, [["d", [{}]]]]),
    "trailing bytes": lambda: page_of(row()) + b"\0",
    "table of packs cut off": lambda: page_of(row(), packs=PACK[:-1]),
    "names out of order": lambda: page_of(row("b"), row("a")),
    "name twice": lambda: page_of(row("a"), row("a")),
    "directories out of order": lambda: msgpack.packb([1, PACK, [["b", [row()]], ["a", [row()]]]]),
    "directory twice": lambda: msgpack.packb([1, PACK, [["a", [row("a")]], ["a", [row("b")]]]]),
    **{
        f"name {name!r}": partial(page_of, row(name))
        for name in ("", ".", "..", "a/b", "a\0", "a\n", "\x7f", "x" * 256, "ä" * 128, b"n", 1, None)
    },
    **{
        f"directory {directory!r}": partial(page_of, row(), directory=directory)
        for directory in ("/", "/a", "a/", "a//b", ".", "..", "a/../b", "a\n", "x" * 256, "x/" * 1600 + "x", b"a", None, 0)
    },
    **{f"flags {flags!r}": partial(page_of, row(flags=flags)) for flags in (0, 5, 33, -1, "1", None, [1])},
    **{f"time {time!r}": partial(page_of, row(mtime_ns=time)) for time in (1.5, "1", None)},
    **{f"digest {digest!r}": partial(page_of, row(digest=digest)) for digest in (b"", b"d" * 31, "d" * 32, None)},
    "pack beyond the table": lambda: page_of(row(body=(1, 0, 10, 10))),
    "pack before the table": lambda: page_of(row(body=(-1, 0, 10, 10))),
    "chunk at no place in a pack": lambda: page_of(row(body=(0, 1 << 32, 10, 10))),
    "chunk before the pack": lambda: page_of(row(body=(0, -1, 10, 10))),
    "chunk larger than its bytes": lambda: page_of(row(body=(0, 0, 11, 10))),
    "chunk of nothing": lambda: page_of(row(body=(0, 0, 0, 10))),
    "chunk too large": lambda: page_of(row(body=(0, 0, 10, 1 << 24))),
    "chunk of broken size": lambda: page_of(row(body=(0, 0, 10, 10.5))),
    "empty file of another digest": lambda: page_of(row(body=())),
    "no content": lambda: page_of(row(body=None)),
    "content of text": lambda: page_of(row(body="")),
    "sizes that do not add up": lambda: page_of(row(body=(5, b""))),
    "size of a fraction": lambda: page_of(row(body=(0.0, b""))),
    "spans that are missing": lambda: page_of(row(body=(0, b"", [], [0]))),
    "symlink without target": lambda: page_of(row(flags=2, body=None)),
    "symlink to elsewhere": lambda: page_of(row(flags=2, body="else")),
    "reference to nowhere": lambda: page_of(row(flags=4, body=(0, None, None, None, False))),
    "reference to elsewhere": lambda: page_of(row(flags=4, body=(0, "s3://b/k", None, None, False))),
    "reference of negative size": lambda: page_of(row(flags=4, body=(-1, "s3://b/k", None, None, True))),
}


@pytest.mark.parametrize("case", BAD_PAGES)
def test_what_is_no_page_is_refused(case: str) -> None:
    with pytest.raises(IntegrityError):
        decode_page(BAD_PAGES[case]())
