"""Entries for tests of manifests: files of one chunk that nobody reads, and paths that end pages."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from artfs.model.digest import digest_of
from artfs.model.entry import ChunkRef, Content, Entry, LeaseId, make_pack_id, with_parents
from artfs.model.page import ends_page


def file_entry(path: str, content: str = "", *, size: int = 20_000, chunk_count: int = 1) -> Entry:
    """A file whose digest follows from `path` and `content`."""
    digest = digest_of(f"{path}\n{content}".encode())
    pack = make_pack_id(LeaseId(digest[:12]), 1)
    if chunk_count == 1:
        return Entry(path, size=size, mtime_ns=1, digest=digest, content=Content((ChunkRef(digest, size, pack, 0, size),)))
    refs = tuple(
        ChunkRef(digest_of(f"{path}\n{content}\n{index}".encode()), size, pack, index * size, size) for index in range(chunk_count)
    )
    return Entry(path, size=size * chunk_count, mtime_ns=1, digest=digest, content=Content(refs))


def files_with_parents(paths: Iterable[str]) -> list[Entry]:
    return with_parents(file_entry(path) for path in paths)


@cache
def names_that_end_pages(directory: str, wanted: int) -> tuple[str, ...]:
    """The first names `e0`, `e1`, … in `directory` after which a page ends."""
    found: list[str] = []
    number = 0
    while len(found) < wanted:
        name = f"e{number}"
        if ends_page(f"{directory}/{name}" if directory else name):
            found.append(name)
        number += 1
    return tuple(found)
