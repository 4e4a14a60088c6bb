"""What a commit does to the registry, without content: a lease, a pack that is said to be durable, a draft."""

from __future__ import annotations

from typing import Any

from artfs.model.digest import digest_of
from artfs.model.entry import ChunkRef, LeaseId, PackId, make_pack_id
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import CommitOutcome, VersionDraft, VersionRecord
from artfs.registry.open import Registry

BIKE = ArtifactName("team", "demo", "bike")
LONG_S = 600.0


class Writer:
    """Commits content of a name to one registry."""

    def __init__(self, registry: Registry, artifact: ArtifactName = BIKE) -> None:
        self.registry = registry
        self.artifact = artifact

    def open_lease(self, ttl_s: float = LONG_S) -> LeaseId:
        return self.registry.leases.open(self.artifact.entity, "a test", ttl_s).id

    def add_pack(self, lease: LeaseId, *contents: bytes, sequence: int = 0) -> PackId:
        """Enter a pack that holds one chunk for each of `contents`."""
        pack = make_pack_id(lease, sequence)
        refs = [chunk_ref(content, pack, offset) for offset, content in enumerate(contents)]
        self.registry.packs.add(self.artifact.entity, lease, pack, 1000 + len(refs), refs)
        return pack

    def draft(self, content: bytes, **changes: Any) -> VersionDraft:
        """A draft with that content, in a pack of a lease of its own unless `lease` and `needed_packs` are given."""
        lease = changes.pop("lease", None) or self.open_lease()
        needed = changes.pop("needed_packs", None)
        if needed is None:
            needed = {self.add_pack(lease, content)}
        values: dict[str, Any] = {
            "artifact": self.artifact,
            "type": "dataset",
            "digest": digest_of(content),
            "manifest": chunk_ref(content, make_pack_id(lease, 0), 0),
            "size": len(content),
            "file_count": 1,
            "needed_packs": frozenset(needed),
            "lease": lease,
        }
        return VersionDraft(**{**values, **changes})

    def log(self, content: bytes, **changes: Any) -> CommitOutcome:
        return self.registry.versions.commit(self.draft(content, **changes))

    def resolve(self, selector: str) -> VersionRecord:
        return self.registry.versions.resolve(VersionName(self.artifact, selector))


def chunk_ref(content: bytes, pack: PackId, offset: int) -> ChunkRef:
    return ChunkRef(digest_of(content), max(len(content), 1), pack, offset, 1)
