"""How much of each pack is in use: the chunks that live versions name, counted once wherever they are named.

Reads all manifests of the live versions, each page once however many versions share it, and no content. What a version needs whose
manifest is damaged is not known. Memory grows with the number of chunks in use, at about 100 bytes each.

One call runs in one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from artfs.chunks.pack import pack_size
from artfs.errors import IntegrityError, PackMissing
from artfs.model.chunk_list import decode_chunk_list
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, PackId
from artfs.model.records import VersionRecord, VersionState
from artfs.repository.repository import Repository


class LiveBytes:
    """What `versions` need of each pack, but for those in `unreadable`, whose manifest is damaged or gone in part."""

    def __init__(self, repository: Repository, versions: Iterable[VersionRecord]) -> None:
        self._repository = repository
        self._offsets: dict[PackId, set[int]] = {}
        self._stored: dict[PackId, int] = {}
        self._walked: set[Digest] = set()
        self.unreadable: list[tuple[VersionRecord, IntegrityError]] = []
        for version in versions:
            try:
                with_current(repository, version, self._walk)
            except IntegrityError as error:
                self.unreadable.append((version, error))

    def of(self, pack: PackId) -> int:
        """The size of the pack if it held nothing but what is in use."""
        return pack_size(len(self._offsets.get(pack, ())), self._stored.get(pack, 0))

    def _walk(self, version: VersionRecord) -> None:
        manifest = self._repository.manifest(version)
        self._count(manifest.root)
        for page in manifest.pages:
            self._count(page.chunk)
        fresh = [page for page in manifest.pages if page.chunk.digest not in self._walked]
        for page, entries in zip(fresh, self._repository.manifests.pages.iter_pages(fresh), strict=True):
            for entry in entries:
                for ref in entry.content.refs:
                    self._count(ref)
                    if entry.content.is_indirect:
                        self._walk_list(ref)
            self._walked.add(page.chunk.digest)

    def _walk_list(self, ref: ChunkRef) -> None:
        if ref.digest in self._walked:
            return
        (data,) = self._repository.chunks.read([ref])
        for chunk in decode_chunk_list(data):
            self._count(chunk)
        self._walked.add(ref.digest)

    def _count(self, ref: ChunkRef) -> None:
        offsets = self._offsets.setdefault(ref.pack, set())
        if ref.offset not in offsets:
            offsets.add(ref.offset)
            self._stored[ref.pack] = self._stored.get(ref.pack, 0) + ref.stored_size


def with_current(repository: Repository, version: VersionRecord, act: Callable[[VersionRecord], object]) -> None:
    """Do `act(version)`, again with its record of now if it was moved and collected meanwhile; not if it was deleted."""
    try:
        act(version)
    except PackMissing:
        now = repository.registry.versions.get(version.id)
        if now.state is not VersionState.COMMITTED:
            return
        if now.manifest == version.manifest:
            raise
        act(now)
