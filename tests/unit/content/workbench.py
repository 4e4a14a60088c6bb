"""A store to work on in these tests: objects in memory with a meter, and a pack index that is a dict.

The pack index is a double of the registry's packs; that the real one does the same is the contract suite's business.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.content.ingest import Ingest
from artfs.content.manifests import Manifest, ManifestStore
from artfs.content.reader import ContentReader
from artfs.model.digest import Digest
from artfs.model.entry import LEASE_ID_SIZE, ChunkRef, Entry, LeaseId, PackId, lease_of_pack
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.metered import MeteredStore
from artfs.objectstore.protocol import ObjectStore

#: Far enough in the future that no stamp of a file made just now is racy.
LATER_NS = 3_600_000_000_000


class DictPackIndex:
    """What the registry does with packs, for one entity. `on_find` is called at each lookup."""

    def __init__(self, on_find: Callable[[], None] | None = None) -> None:
        self.committed: set[PackId] = set()
        self.packs: dict[PackId, list[ChunkRef]] = {}
        self.lookups: list[int] = []
        self._on_find = on_find
        self._lock = threading.Lock()

    def add(self, entity: str, lease: LeaseId, pack_id: PackId, size: int, chunks: Sequence[ChunkRef]) -> None:
        with self._lock:
            self.packs[pack_id] = list(chunks)

    def find_chunks(self, entity: str, lease: LeaseId, digests: Sequence[Digest]) -> dict[Digest, ChunkRef]:
        if self._on_find is not None:
            self._on_find()
        wanted = set(digests)
        with self._lock:
            self.lookups.append(len(digests))
            usable = [refs for pack, refs in self.packs.items() if pack in self.committed or lease_of_pack(pack) == lease]
            return {ref.digest: ref for ref in itertools.chain(*usable) if ref.digest in wanted}

    def usable(self, ids: Iterable[PackId]) -> set[PackId]:
        with self._lock:
            return self.committed.intersection(ids)

    def commit(self) -> None:
        """Everything stored so far belongs to a version now."""
        self.committed.update(self.packs)


class Workbench:
    """A store, and what reads and writes it."""

    def __init__(self, folder: Path, *, packs: DictPackIndex | None = None, objects: ObjectStore | None = None) -> None:
        self.folder = folder
        self.packs = packs or DictPackIndex()
        self.objects = MeteredStore(objects or MemoryStore())
        self.chunks = ChunkStore(self.objects, SharedFetches(64 << 20))
        self.manifests = ManifestStore(self.chunks)
        self.reader = ContentReader(self.chunks)

    def ingest(self, *, memo: bool = False, later_ns: int = LATER_NS) -> Ingest:
        return Ingest(
            entity="tester",
            lease=LeaseId(os.urandom(LEASE_ID_SIZE)),
            objects=self.objects,
            packs=self.packs,
            memo_dir=self.folder / "memo" if memo else None,
            now_ns=lambda: time.time_ns() + later_ns,
        )

    def add(self, files: Iterable[tuple[str, Path]], *, memo: bool = False) -> tuple[list[Entry], Ingest]:
        """Take in files and commit what they became."""
        ingest = self.ingest(memo=memo)
        entries = ingest.add_files(files)
        ingest.finish()
        self.packs.commit()
        return entries, ingest

    def write_file(self, name: str, data: bytes) -> Path:
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return place

    def open(self, root: ChunkRef) -> Manifest:
        return self.manifests.open(root)

    def fresh_reader(self) -> ContentReader:
        """A reader that has nothing in memory."""
        return ContentReader(ChunkStore(self.objects, SharedFetches(64 << 20)))

    def close(self) -> None:
        self.reader.close()
