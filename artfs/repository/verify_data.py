"""I3 over all data: every byte that a live version needs is read again and verified, and damage is traced to versions and paths.

Two passes. The first reads the needed packs by their own chunk tables (`verify_packs`). The second walks all manifests: a chunk
that the first pass did not find sound at the very place the manifest names is read there, and if that fails, the path and all
versions that have it are reported.

Memory: what the two passes hold, and a number for each chunk list of a long file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from artfs.errors import IntegrityError
from artfs.model.chunk_list import decode_chunk_list
from artfs.model.entry import ChunkRef, Entry, PackId, pack_key
from artfs.model.manifest_root import PageRef
from artfs.model.page import decode_page
from artfs.model.progress import OnShareDone
from artfs.repository.survey import Problem, Survey
from artfs.repository.verify_packs import PackResult, read_packs
from artfs.repository.verify_walk import read_each, walk_manifests


@dataclass(slots=True, eq=False)
class _Damage:
    """Damage at one place, and who needs what lies there."""

    what: str
    pack: PackId
    versions: dict[str, None] = field(default_factory=dict)
    paths: dict[str, None] = field(default_factory=dict)


def check_every_byte(survey: Survey, on_progress: OnShareDone | None) -> tuple[list[Problem], int]:
    """The problems found, and how many stored bytes were read."""
    sizes = {pack: survey.objects[pack_key(pack)] for pack in sorted(survey.all_needed()) if pack_key(pack) in survey.objects}
    results = read_packs(survey.repository.objects, sizes, on_progress)
    damages = _Tracer(survey, results).trace()
    problems = [Problem("I3", one.what, tuple(one.versions), tuple(one.paths), (one.pack,)) for one in damages]
    for pack, result in results.items():
        if result.table_error is not None:
            what = f"the chunk table of the pack {pack_key(pack)} is damaged: {result.table_error}"
            problems.append(Problem("I3", what, survey.needing(pack), packs=(pack,)))
    return problems, sum(result.bytes_read for result in results.values())


class _Tracer:
    """The second pass: which versions and paths need chunks that were not found sound."""

    def __init__(self, survey: Survey, results: Mapping[PackId, PackResult]) -> None:
        self._survey = survey
        self._results = results
        self._damages: dict[ChunkRef | PackId, _Damage] = {}
        self._checked: dict[ChunkRef, _Damage | None] = {}
        #: What lies in them is known by no table.
        self._without_table = {pack for pack, result in results.items() if result.table_error is not None}
        #: Chunk lists are shared by pages that differ in other entries; each is read once.
        self._lists: set[int] = set()
        self._in_lists: dict[ChunkRef, list[_Damage]] = {}

    def trace(self) -> list[_Damage]:
        traced: dict[_Damage, None] = {}
        for manifest in walk_manifests(self._survey, self._look_into):
            for _, found in manifest.found():
                for path, damage in found:
                    traced[damage] = None
                    damage.versions[manifest.holder.qualified_name] = None
                    damage.paths[path] = None
        # Damaged chunks that no version needs: new commits might be deduplicated against them, unless they have been found before.
        trusted = self._survey.repository.registry.packs.usable(pack for pack, result in self._results.items() if result.bad)
        for pack in sorted(trusted):
            if not self._survey.repository.objects.has(pack_key(pack)):
                continue  # collected by gc meanwhile; were it needed, it would have been found above
            for ref in sorted(self._results[pack].bad, key=lambda ref: ref.offset):
                traced[self._damaged(ref)] = None
        return list(traced)

    def _look_into(self, _page: PageRef, data: bytes | IntegrityError) -> list[tuple[str, _Damage]] | None:
        try:
            entries = decode_page(_raised(data))
        except IntegrityError:
            entries = []  # as the damaged ones, reported by the check of manifests
        self._read_without_table(ref for entry in entries for ref in entry.content.refs)
        self._read_lists(ref for entry in entries if entry.content.is_indirect for ref in entry.content.refs)
        return [(entry.path, damage) for entry in entries for damage in self._damage_of(entry)] or None

    def _damage_of(self, entry: Entry) -> Iterator[_Damage]:
        for ref in entry.content.refs:
            damage = self._look_at(ref)
            if damage is not None:
                yield damage
            else:
                yield from self._in_lists.get(ref, ())

    def _read_lists(self, refs: Iterable[ChunkRef]) -> None:
        """Find out what the lists name that is damaged, or that they are damaged themselves."""
        fresh = {hash(ref): ref for ref in refs if hash(ref) not in self._lists}
        self._lists.update(fresh)
        for ref, data in read_each(self._survey, fresh.values()):
            try:
                named = decode_chunk_list(_raised(data))
            except IntegrityError:
                self._checked[ref] = self._damaged(ref)
                continue
            self._read_without_table(named)
            found = [damage for damage in map(self._look_at, named) if damage is not None]
            if found:
                self._in_lists[ref] = found

    def _read_without_table(self, refs: Iterable[ChunkRef]) -> None:
        if self._without_table:
            unsure = {ref for ref in refs if ref.pack in self._without_table and ref not in self._checked}
            self._checked.update(self._read(unsure))

    def _look_at(self, ref: ChunkRef) -> _Damage | None:
        result = self._results.get(ref.pack)
        if result is None and pack_key(ref.pack) not in self._survey.objects:
            what = f"the pack {pack_key(ref.pack)} is missing from the object store"
            return self._damages.setdefault(ref.pack, _Damage(what, ref.pack))
        if ref not in self._checked:
            if result is not None and result.is_sound(ref):
                return None
            is_bad = result is not None and ref in result.bad
            # Of a pack that the registry does not know to be needed (I4), nothing was read in the first pass.
            self._checked.update([(ref, self._damaged(ref))] if is_bad else self._read([ref]))
        return self._checked[ref]

    def _read(self, refs: Iterable[ChunkRef]) -> Iterator[tuple[ChunkRef, _Damage | None]]:
        for ref, data in read_each(self._survey, refs):
            yield ref, self._damaged(ref) if isinstance(data, IntegrityError) else None

    def _damaged(self, ref: ChunkRef) -> _Damage:
        return self._damages.setdefault(ref, _Damage(_describe(ref), ref.pack))


def _raised(data: bytes | IntegrityError) -> bytes:
    if isinstance(data, IntegrityError):
        raise data
    return data


def _describe(ref: ChunkRef) -> str:
    place = f"bytes {ref.offset} to {ref.offset + ref.stored_size} of the pack {pack_key(ref.pack)}"
    return f"the chunk {ref.digest.hex()} is damaged: {place} are missing, or not what its digest says"
