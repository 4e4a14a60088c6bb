"""The content of one version, from one repository into an ingest of another: chunks, and then a manifest that says where they are.

The manifest has the same pages and the same digest at the destination (`rewrite`). A page that the source has in common with a
version that both repositories have is taken over from there: a version that differs in one file costs that file and one page,
whatever its size.

One call runs in one thread; chunks are read by those of the executor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor

from artfs.content.chunk_map import ChunkMap
from artfs.content.manifest_writer import WrittenManifest
from artfs.content.manifests import Manifest
from artfs.content.pages import Page
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Entry, LeaseId
from artfs.model.manifest_root import PageRef
from artfs.model.records import VersionRecord
from artfs.registry.packs import Packs
from artfs.repository.copy_chunks import ChunkCopier, CopyTotals
from artfs.repository.leased_ingest import LeasedIngest
from artfs.repository.repository import Repository
from artfs.repository.rewrite import rewrite_manifest

#: One version as the source and as the destination has it.
Common = tuple[Manifest, Manifest]


class DoomedToo:
    """The packs of the destination, doomed ones among them (`chunk_sink.PackIndex`): what was sent once is not sent again.

    An interrupted copy leaves packs that nothing needs, and a gc that comes before the next one has doomed them.
    """

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self.add = packs.add
        self.usable = packs.usable

    def find_chunks(self, entity: str, lease: LeaseId, digests: Sequence[Digest]) -> Mapping[Digest, ChunkRef]:
        return self._packs.find_or_take_back(entity, lease, digests)


class VersionCopier:
    """Copies versions from `source` with the threads of `executor`; counts in `totals`, and calls `on_progress` now and then."""

    def __init__(
        self,
        source: Repository,
        executor: Executor,
        totals: CopyTotals,
        on_progress: Callable[[], object],
    ) -> None:
        self._source = source
        self._executor = executor
        self._totals = totals
        self._on_progress = on_progress
        self._map = ChunkMap(source.chunks)

    def copy(self, version: VersionRecord, ingest: LeasedIngest, common: Common | None) -> WrittenManifest:
        """Store the content of `version` in `ingest`, and its manifest. IntegrityError when it is not what its digest says.

        `common` is a version that the source and the destination have.
        """
        chunks = ChunkCopier(self._source, ingest, self._executor, self._totals, self._on_progress)
        pages = self._iter_pages(self._source.manifest(version), common)
        return rewrite_manifest(version, pages, ingest, chunks, self._map, _has_no_bytes)

    def _iter_pages(self, manifest: Manifest, common: Common | None) -> Iterator[Page | PageRef]:
        """The pages in order, each as it is at the destination already, or read from the source."""
        known = {} if common is None else _common_pages(*common)
        pages = manifest.pages
        unknown = [page for page in pages if page.chunk.digest not in known]
        read = self._source.manifests.pages.iter_pages(unknown)
        for page in pages:
            there = known.get(page.chunk.digest)
            if there is not None:
                self._totals.bytes_done += there.size
            yield next(read) if there is None else there


def _has_no_bytes(entry: Entry) -> bool:
    return not entry.content.refs


def _common_pages(at_source: Manifest, at_destination: Manifest) -> dict[Digest, PageRef]:
    """The pages of the destination by the digests of the source's."""
    pairs = zip(at_source.pages, at_destination.pages, strict=False)
    return {one.chunk.digest: other for one, other in pairs if (one.first, one.canonical) == (other.first, other.canonical)}
