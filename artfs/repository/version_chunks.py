"""All chunks that reading a version needs: those of its manifest, and those of its files with the lists that name them.

Reads the manifest and the chunk lists, no content. References have no chunks. Functions may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator

from artfs.content.manifests import Manifest
from artfs.content.pages import ChunkReader
from artfs.model.chunk_list import decode_chunk_list
from artfs.model.entry import ChunkRef, Entry


def iter_manifest_chunks(manifest: Manifest) -> Iterator[ChunkRef]:
    """The root and the pages of a manifest, where they lie now."""
    yield manifest.root
    for page in manifest.pages:
        yield page.chunk


def iter_content_chunks(manifest: Manifest, chunks: ChunkReader, under: str = "") -> Iterator[ChunkRef]:
    """The chunks of the files at or below a path, in manifest order, each time a file has them; a list before what it names."""
    for entry in manifest.iter_entries(under):
        yield from iter_entry_chunks(entry, chunks)


def iter_entry_chunks(entry: Entry, chunks: ChunkReader) -> Iterator[ChunkRef]:
    """The chunks of one file in order, a list before what it names; none for what is no file."""
    for ref in entry.content.refs:
        yield ref
        if entry.content.is_indirect:
            (data,) = chunks.read([ref])
            yield from decode_chunk_list(data)
