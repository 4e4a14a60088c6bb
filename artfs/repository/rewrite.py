"""The manifest of a version, written again with other places: for copies into another repository, and moves within one.

Pages come in order, each as it is there already or as entries; the chunks of those that do not stay where they are go through a
`ChunkCopier`. Pages are cut by the paths in them alone, so paths, digests and order stay what they were, and so does the digest of
the version (I2): it is compared at the end.

One call runs in one thread; chunks are read by those of the copier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from artfs.content.chunk_map import ChunkMap
from artfs.content.content_builder import ContentBuilder
from artfs.content.manifest_writer import WrittenManifest
from artfs.content.page_writer import PageWriter
from artfs.content.pages import Page
from artfs.errors import IntegrityError
from artfs.model.entry import Entry
from artfs.model.manifest_root import PageRef
from artfs.model.records import VersionRecord
from artfs.repository.copy_chunks import ChunkCopier
from artfs.repository.leased_ingest import LeasedIngest


def rewrite_manifest(  # noqa: PLR0917  what is written, from what, into what
    version: VersionRecord,
    pages: Iterable[Page | PageRef],
    ingest: LeasedIngest,
    chunks: ChunkCopier,
    chunk_map: ChunkMap,
    stays: Callable[[Entry], bool],
) -> WrittenManifest:
    """Store the content of `version`, and its manifest. IntegrityError when it is not what its digest says.

    A `PageRef` is taken over as it is, and so is an entry that `stays`; the chunks of the others are found by `chunk_map`.
    """
    writer = PageWriter(ingest.put_chunk)
    try:
        for page in pages:
            if isinstance(page, PageRef):
                chunks.then(partial(writer.reuse, page))
                continue
            for entry in page:
                if stays(entry):
                    chunks.then(partial(writer.add, entry))
                else:
                    _move_entry(entry, chunks, chunk_map, writer, ContentBuilder(ingest.put_chunk))
        chunks.finish()
        written = writer.finish()
    except BaseException:
        chunks.cancel()
        raise
    if written.digest != version.digest:
        raise IntegrityError(f"the content of {version.qualified_name} is not what its digest says: run `artfs verify`")
    return written


def _move_entry(entry: Entry, chunks: ChunkCopier, chunk_map: ChunkMap, writer: PageWriter, builder: ContentBuilder) -> None:
    chunks.add((located.ref for located in chunk_map.iter_located(entry.content, 0, entry.size)), builder.add)
    chunks.then(lambda: writer.add(replace(entry, content=builder.finish())))
