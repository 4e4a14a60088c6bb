"""Entries that were looked up a while ago, with the places that their chunks have now.

Who edits a version holds entries of it for as long as the edit takes. A repack may move the version meanwhile, and gc delete the
packs of before: an entry that is then committed under another path would name what is gone (I4). One call runs in one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from artfs.content.chunk_map import ChunkMap
from artfs.content.content_builder import ContentBuilder
from artfs.content.ingest import Ingest
from artfs.model.entry import ChunkRef, Entry, PackId
from artfs.repository.repository import Repository

#: Chunks that the registry is asked for at once.
_BATCH = 4096


def with_places_of_now(repository: Repository, ingest: Ingest, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, to be committed with `ingest`: none names a pack that gc may delete before, if its chunks lie elsewhere too."""
    packs = {pack for entry in entries for pack in entry.content.needed_packs() if not pack.startswith(ingest.lease)}
    # What can be used now is not deleted while the lease of the ingest lives.
    leaving = packs - repository.registry.packs.usable(packs) if packs else packs
    if not leaving:
        return list(entries)
    chunk_map = ChunkMap(repository.chunks)

    def move(entry: Entry) -> Entry:
        if leaving.isdisjoint(entry.content.needed_packs()):
            return entry
        builder = ContentBuilder(ingest.put_chunk)
        refs = (located.ref for located in chunk_map.iter_located(entry.content, 0, entry.size))
        builder.add(_relocated(repository, refs, leaving))
        return replace(entry, content=builder.finish())

    return [move(entry) for entry in entries]


def _relocated(repository: Repository, refs: Iterable[ChunkRef], leaving: Collection[PackId]) -> Iterator[ChunkRef]:
    """The chunks in order. One that lies nowhere else stays: the registry then says whether its pack can still be had."""
    rest = iter(refs)
    while batch := list(islice(rest, _BATCH)):
        places = repository.registry.packs.relocate([ref for ref in batch if ref.pack in leaving])
        yield from (places.get(ref.digest, ref) if ref.pack in leaving else ref for ref in batch)
