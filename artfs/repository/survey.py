"""What verify looks at: live versions, unfinished contributions, what they need, and what registry and object store have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from artfs.errors import IntegrityError, NotFound
from artfs.model.contributions import ContributionRecord
from artfs.model.entry import PackId, lease_prefix, pack_key
from artfs.model.records import PackRecord, VersionRecord
from artfs.repository.repository import Repository

#: What has a manifest, and needs packs for it.
Holder = VersionRecord | ContributionRecord

#: Requests for single objects under way at once.
_ASKING = 16


@dataclass(frozen=True, slots=True)
class Problem:
    """One violated invariant: its number, a sentence, and what is concerned: versions (`entity/project/name:v3`) or contributions,
    paths, and packs whose bytes are damaged or gone.
    """

    invariant: str
    what: str
    versions: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    packs: tuple[PackId, ...] = ()

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


@dataclass(frozen=True, slots=True)
class Survey:
    """A look at everything. `objects` has the size of each object under `packs/`; `needed` the packs of a version by its id,
    `contributed` those of a contribution. `unknown` are keys of objects that no commit known to the registry wrote.
    """

    repository: Repository
    versions: Sequence[VersionRecord]
    needed: Mapping[int, frozenset[PackId]]
    packs: Mapping[PackId, PackRecord]
    objects: Mapping[str, int]
    contributions: Sequence[ContributionRecord] = ()
    contributed: Mapping[int, frozenset[PackId]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

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

    def only(self, names: Collection[str]) -> Survey:
        """The same look at those versions alone that have one of the names."""
        versions = [version for version in self.versions if version.qualified_name in names]
        needed = {version.id: self.needed[version.id] for version in versions}
        return replace(self, versions=versions, needed=needed, contributions=(), contributed={})


def take_survey(repository: Repository) -> Survey:
    # Contributions before versions, so that one that is finished meanwhile is looked at as part of its version. Both before packs
    # and objects: what they need is there already when those are listed. What is committed later is not looked at.
    contributions = repository.registry.contributions.list_all()
    contributed = repository.registry.contributions.needed_by_each(record.id for record in contributions)
    versions = list(repository.registry.versions.iter_live())
    needed = repository.registry.versions.needed_by_each(version.id for version in versions)
    packs = {pack.id: pack for pack in repository.registry.packs.iter_all()}
    begun = _known_leases(repository)
    objects = {info.key: info.size for info in repository.objects.iter_objects("packs/")}
    survey = Survey(
        repository=repository,
        versions=versions,
        needed=needed,
        packs=packs,
        objects=objects,
        # One without packs was finished or given up a moment ago: even a contribution of nothing has a manifest.
        contributions=[record for record in contributions if contributed[record.id]],
        contributed=contributed,
    )
    # A list of a bucket that others write to is no picture of one moment: what it left out is asked for by its name.
    unlisted = _sizes(repository, sorted(key for key in map(pack_key, survey.all_needed()) if key not in objects))
    return replace(survey, objects={**objects, **unlisted}, unknown=_find_unknown(survey, begun | _known_leases(repository)))


def _known_leases(repository: Repository) -> set[str]:
    """Under which prefixes commits write, or have written that gc has not cleaned up behind."""
    return {lease_prefix(lease.id) for lease in repository.registry.leases.list_all()}


def _sizes(repository: Repository, keys: Sequence[str]) -> dict[str, int]:
    """The sizes of those of the objects that are there, one request each: they are few, unless the store has lost many."""

    def look(key: str) -> int | None:
        try:
            return repository.objects.size(key)
        except NotFound:
            return None

    if not keys:
        return {}
    with ThreadPoolExecutor(_ASKING, thread_name_prefix="artfs-verify") as pool:
        return {key: size for key, size in zip(keys, pool.map(look, keys), strict=True) if size is not None}


def _find_unknown(survey: Survey, leases: Collection[str]) -> frozenset[str]:
    known = tuple(leases)
    unknown = {key for key in survey.objects.keys() - set(map(pack_key, survey.packs)) if not key.startswith(known)}
    if unknown:  # or those of a commit that was through before the leases were listed again
        unknown -= {pack_key(pack.id) for pack in survey.repository.registry.packs.iter_all()}
    return frozenset(unknown)


def without_advice(error: IntegrityError | IndexError) -> str:
    """What is wrong, without the advice to run verify."""
    return str(error).partition("; run `artfs verify")[0]


def names_of(holders: Iterable[Holder]) -> tuple[str, ...]:
    return tuple(holder.qualified_name for holder in holders)
