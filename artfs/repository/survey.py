"""What verify looks at: the live versions, what they need, and what the registry and the object store say is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from artfs.errors import NotFound
from artfs.model.entry import ChunkRef, Entry, PackId, lease_prefix, pack_key
from artfs.model.manifest_root import PageRef, decode_root
from artfs.model.page import decode_page
from artfs.model.records import PackRecord, VersionRecord
from artfs.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Problem:
    """One violated invariant: its number, a sentence, and which versions (`entity/project/name:v3`) and paths are concerned."""

    invariant: str
    what: str
    versions: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


@dataclass(frozen=True, slots=True)
class Survey:
    """A look at everything. `objects` has the size of each object under `packs/`; `needed` the packs of a version by its id."""

    repository: Repository
    versions: Sequence[VersionRecord]
    needed: Mapping[int, frozenset[PackId]]
    packs: Mapping[PackId, PackRecord]
    objects: Mapping[str, int]

    def all_needed(self) -> set[PackId]:
        return set[PackId]().union(*self.needed.values())

    def needing(self, pack: PackId) -> tuple[str, ...]:
        """The names of the versions that need `pack`."""
        return names_of(version for version in self.versions if pack in self.needed[version.id])

    def unknown_objects(self) -> set[str]:
        """Keys of objects that no commit known to the registry wrote."""
        leases = self.repository.registry.leases
        known = [lease_prefix(lease.id) for lease in [*leases.list_active(), *leases.list_collectable(datetime.now(UTC))]]
        keys = self.objects.keys() - {pack_key(pack) for pack in self.packs}
        return {key for key in keys if not key.startswith(tuple(known))}


def take_survey(repository: Repository) -> Survey:
    # Versions first: what they need is there already when packs and objects are listed. What is committed later is not looked at.
    versions = list(repository.registry.versions.iter_live())
    return Survey(
        repository=repository,
        versions=versions,
        needed={version.id: _needed_packs(repository, version) for version in versions},
        packs={pack.id: pack for pack in repository.registry.packs.iter_all()},
        objects={info.key: info.size for info in repository.objects.iter_objects("packs/")},
    )


def _needed_packs(repository: Repository, version: VersionRecord) -> frozenset[PackId]:
    try:
        return repository.registry.versions.needed_packs(version.id)
    except NotFound:  # deleted a moment ago
        return frozenset()


def names_of(versions: Iterable[VersionRecord]) -> tuple[str, ...]:
    return tuple(version.qualified_name for version in versions)


def read_root(survey: Survey, version: VersionRecord) -> tuple[PageRef, ...] | None:
    """The pages of a version, read past all caches; None when the pack is missing. IntegrityError when it is damaged."""
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
