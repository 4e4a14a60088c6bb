"""What verify looks at: live versions, unfinished contributions, what they need, and what registry and object store have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from artfs.errors import NotFound
from artfs.model.contributions import ContributionRecord
from artfs.model.entry import ChunkRef, Entry, PackId, lease_prefix, pack_key
from artfs.model.manifest_root import PageRef, decode_root
from artfs.model.page import decode_page
from artfs.model.records import PackRecord, VersionRecord
from artfs.repository.repository import Repository

#: What has a manifest, and needs packs for it.
Holder = VersionRecord | ContributionRecord


@dataclass(frozen=True, slots=True)
class Problem:
    """One violated invariant: its number, a sentence, and what is concerned: versions (`entity/project/name:v3`) or contributions,
    and paths.
    """

    invariant: str
    what: str
    versions: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


@dataclass(frozen=True, slots=True)
class Survey:
    """A look at everything. `objects` has the size of each object under `packs/`; `needed` the packs of a version by its id,
    `contributed` those of a contribution.
    """

    repository: Repository
    versions: Sequence[VersionRecord]
    needed: Mapping[int, frozenset[PackId]]
    packs: Mapping[PackId, PackRecord]
    objects: Mapping[str, int]
    contributions: Sequence[ContributionRecord] = ()
    contributed: Mapping[int, frozenset[PackId]] = field(default_factory=dict)

    @property
    def holders(self) -> Sequence[Holder]:
        """All that has a manifest: versions, and contributions that are not finished."""
        return [*self.versions, *self.contributions]

    def needed_by(self, holder: Holder) -> frozenset[PackId]:
        """The packs that the registry knows it needs."""
        return self.contributed[holder.id] if isinstance(holder, ContributionRecord) else self.needed[holder.id]

    def all_needed(self) -> set[PackId]:
        return set[PackId]().union(*self.needed.values(), *self.contributed.values())

    def needing(self, pack: PackId) -> tuple[str, ...]:
        """The names of the versions and contributions that need `pack`."""
        return names_of(holder for holder in self.holders if pack in self.needed_by(holder))

    def unknown_objects(self) -> set[str]:
        """Keys of objects that no commit known to the registry wrote."""
        leases = self.repository.registry.leases
        known = [lease_prefix(lease.id) for lease in [*leases.list_active(), *leases.list_collectable(datetime.now(UTC))]]
        keys = self.objects.keys() - {pack_key(pack) for pack in self.packs}
        return {key for key in keys if not key.startswith(tuple(known))}


def take_survey(repository: Repository) -> Survey:
    # Contributions before versions, so that one that is finished meanwhile is looked at as part of its version. Both before packs
    # and objects: what they need is there already when those are listed. What is committed later is not looked at.
    contributions = repository.registry.contributions.list_all()
    contributed = {record.id: repository.registry.contributions.needed_packs([record.id]) for record in contributions}
    versions = list(repository.registry.versions.iter_live())
    return Survey(
        repository=repository,
        versions=versions,
        needed={version.id: _needed_packs(repository, version) for version in versions},
        packs={pack.id: pack for pack in repository.registry.packs.iter_all()},
        objects={info.key: info.size for info in repository.objects.iter_objects("packs/")},
        # One without packs was finished or given up a moment ago: even a contribution of nothing has a manifest.
        contributions=[record for record in contributions if contributed[record.id]],
        contributed=contributed,
    )


def _needed_packs(repository: Repository, version: VersionRecord) -> frozenset[PackId]:
    try:
        return repository.registry.versions.needed_packs(version.id)
    except NotFound:  # deleted a moment ago
        return frozenset()


def names_of(holders: Iterable[Holder]) -> tuple[str, ...]:
    return tuple(holder.qualified_name for holder in holders)


def read_root(survey: Survey, version: Holder) -> tuple[PageRef, ...] | None:
    """The pages of a version or contribution, read past all caches; None when the pack is missing.

    Raises IntegrityError when it is damaged.
    """
    data = _read(survey, version.manifest)
    return None if data is None else decode_root(data)


def read_page(survey: Survey, page: PageRef) -> list[Entry] | None:
    """The entries of a page, in the same way."""
    data = _read(survey, page.chunk)
    return None if data is None else decode_page(data)


def _read(survey: Survey, ref: ChunkRef) -> bytes | None:
    if pack_key(ref.pack) not in survey.objects:
        return None
    (data,) = survey.repository.chunks.read_uncached([ref])
    return data
