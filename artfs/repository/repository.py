"""The repository: one registry, one object store, the homes of references, and everything that reads through them.

A value that holds the parts together; what is done with them is in the modules beside it (commit, gc, verify, materialise, diff).
It names no concrete store: `open.py` does. All parts are thread-safe, and so is this.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.store import ChunkStore
from artfs.config import Config
from artfs.content.manifests import Manifest, ManifestStore
from artfs.content.reader import ContentReader
from artfs.content.workers import Workers
from artfs.model.entry import ChunkRef
from artfs.model.records import VersionRecord, VersionState
from artfs.objectstore.metered import MeteredStore
from artfs.references.references import References
from artfs.registry.open import Registry
from artfs.registry.versions import Versions
from artfs.repository.known_names import KnownNames
from artfs.repository.leases import LeaseKeeper


@dataclass(frozen=True, slots=True)
class _RootOf:
    """Where the root of a version's manifest lies now."""

    versions: Versions
    version_id: int

    def __call__(self) -> ChunkRef | None:
        record = self.versions.get(self.version_id)
        return record.manifest if record.state is VersionState.COMMITTED else None


@dataclass(frozen=True, slots=True, eq=False)
class Repository:
    """The stores together.

    `names` is the registry for those who only read; `leases` keeps the commits of this process alive; `cache` is on disk, None
    where there is to be none.
    """

    config: Config
    registry: Registry
    objects: MeteredStore
    chunks: ChunkStore
    manifests: ManifestStore
    references: References
    reader: ContentReader
    leases: LeaseKeeper
    names: KnownNames
    cache: DiskCache | None = None
    #: Make the long reads from a remote store.
    requests: Workers | None = None
    #: Set once it is known that registry and object store belong together (`binding`).
    bound: threading.Event = field(default_factory=threading.Event)
    #: Set while the mark in the store is this process's, and was not looked at again (`binding`).
    has_marked: threading.Event = field(default_factory=threading.Event)

    def manifest(self, version: VersionRecord) -> Manifest:
        """The entries of `version`; only its root is read now, the pages when they are asked for.

        It stays readable when the version is moved to other packs (`repack`).
        """
        return self.manifests.open(version.manifest, _RootOf(self.registry.versions, version.id))

    def close(self) -> None:
        """Stop reading ahead and keeping leases alive, let go of the homes of references and of the registry.

        Commits still under way fail.
        """
        self.reader.close()
        self.chunks.close()
        if self.requests is not None:
            self.requests.close(wait=False)
        self.references.close()
        self.names.close()
        self.leases.close()
        self.registry.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
