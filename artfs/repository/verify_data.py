"""I3 over all data: every byte that a live version needs is read again and verified, and damage is traced to versions and paths.

Two passes. The first reads the needed packs one after the other, each by its own chunk table, which is the fastest way through a
disk and needs no manifest. The second walks all manifests: a chunk that the first pass did not find sound at the very place the
manifest names is read there, and if that fails, the path and all versions that have it are reported.

Memory: 8 bytes a chunk for the fingerprints of sound chunks, and the chunks of a few reads. Packs are read by a few threads.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from artfs.chunks.pack import read_chunk_table
from artfs.errors import IntegrityError, NotFound
from artfs.model.chunk_list import decode_chunk_list
from artfs.model.entry import ChunkRef, Entry, PackId, pack_key
from artfs.model.manifest_root import PageRef
from artfs.repository.repository import Repository
from artfs.repository.survey import Holder, Problem, Survey, read_page, read_root

#: Called with the bytes done and the bytes to do.
Progress = Callable[[int, int], None]

_READERS = 4
_READ_SIZE = 8 * 1024 * 1024


@dataclass(slots=True)
class _PackResult:
    """What the first pass found out about a pack."""

    sound: array[int] = field(default_factory=lambda: array("Q"))
    bad: set[ChunkRef] = field(default_factory=set)
    table_error: str | None = None
    bytes_read: int = 0


@dataclass(slots=True)
class _Damage:
    """Damage at one place, and who needs what lies there."""

    what: str
    versions: dict[str, None] = field(default_factory=dict)
    paths: dict[str, None] = field(default_factory=dict)


def check_every_byte(survey: Survey, on_progress: Progress | None) -> tuple[list[Problem], int]:
    """The problems found, and how many stored bytes were read."""
    results = _read_packs(survey, on_progress)
    damages = _Tracer(survey, results).trace()
    problems = [Problem("I3", damage.what, tuple(damage.versions), tuple(damage.paths)) for damage in damages]
    for pack, result in results.items():
        if result.table_error is not None:
            what = f"the chunk table of the pack {pack_key(pack)} is damaged: {result.table_error}"
            problems.append(Problem("I3", what, survey.needing(pack)))
    return problems, sum(result.bytes_read for result in results.values())


def _read_packs(survey: Survey, on_progress: Progress | None) -> dict[PackId, _PackResult]:
    there = [pack for pack in sorted(survey.all_needed()) if pack_key(pack) in survey.objects]
    total = sum(survey.objects[pack_key(pack)] for pack in there)
    done = 0
    results: dict[PackId, _PackResult] = {}
    with ThreadPoolExecutor(_READERS, thread_name_prefix="artfs-verify") as pool:
        for pack, result in zip(there, pool.map(lambda pack: _read_pack(survey.repository, pack), there), strict=True):
            results[pack] = result
            done += survey.objects[pack_key(pack)]
            if on_progress is not None:
                on_progress(done, total)
    return results


def _read_pack(repository: Repository, pack: PackId) -> _PackResult:
    result = _PackResult()
    try:
        table = read_chunk_table(repository.objects, pack)
    except (IntegrityError, NotFound) as error:
        result.table_error = str(error)
        return result
    sound: list[int] = []
    for refs in _batches(table):
        bad = _bad_chunks(repository, refs)
        result.bad |= bad
        result.bytes_read += sum(ref.stored_size for ref in refs)
        sound += [_fingerprint(ref) for ref in refs if ref not in bad]
    result.sound = array("Q", sorted(sound))
    return result


def _batches(refs: Sequence[ChunkRef]) -> Iterator[list[ChunkRef]]:
    batch: list[ChunkRef] = []
    size = 0
    for ref in refs:
        batch.append(ref)
        size += ref.stored_size
        if size >= _READ_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _bad_chunks(repository: Repository, refs: Sequence[ChunkRef]) -> set[ChunkRef]:
    """Those of `refs` that cannot be read. Chunk by chunk only where a read of many has failed."""
    try:
        repository.chunks.read_uncached(refs)
    except IntegrityError:
        if len(refs) == 1:
            return set(refs)
        return set[ChunkRef]().union(*(_bad_chunks(repository, [ref]) for ref in refs))
    return set()


def _fingerprint(ref: ChunkRef) -> int:
    """64 bits that tell chunks of one pack apart by digest and place."""
    return int.from_bytes(ref.digest[:8]) ^ (ref.offset << 24) ^ ref.stored_size


class _Tracer:
    """The second pass: which versions and paths need chunks that were not found sound."""

    def __init__(self, survey: Survey, results: dict[PackId, _PackResult]) -> None:
        self._survey = survey
        self._repository = survey.repository
        self._results = results
        self._damages: dict[ChunkRef | PackId, _Damage] = {}
        #: Pages are shared by versions; each is walked once.
        self._pages: dict[ChunkRef, list[tuple[str, _Damage]]] = {}
        self._checked: dict[ChunkRef, _Damage | None] = {}

    def trace(self) -> list[_Damage]:
        for version in self._survey.holders:
            for page in self._pages_of(version):
                for path, damage in self._damage_in(page):
                    damage.versions[version.qualified_name] = None
                    damage.paths[path] = None
        # Damaged chunks that no version needs: new commits might be deduplicated against them.
        for pack, result in self._results.items():
            if result.bad and not self._repository.objects.has(pack_key(pack)):
                continue  # collected by gc meanwhile; were it needed, it would have been found above
            for ref in result.bad:
                self._damages.setdefault(ref, _Damage(_describe(ref)))
        return list(self._damages.values())

    def _pages_of(self, version: Holder) -> tuple[PageRef, ...]:
        try:
            return read_root(self._survey, version) or ()
        except IntegrityError:
            return ()  # reported by the check of manifests

    def _damage_in(self, page: PageRef) -> list[tuple[str, _Damage]]:
        if page.chunk not in self._pages:
            try:
                entries = read_page(self._survey, page) or []
            except IntegrityError:
                entries = []  # reported by the check of manifests
            self._pages[page.chunk] = [(entry.path, damage) for entry in entries for damage in self._damage_of(entry)]
        return self._pages[page.chunk]

    def _damage_of(self, entry: Entry) -> Iterator[_Damage]:
        for ref in entry.content.refs:
            damage = self._look_at(ref)
            if damage is not None:
                yield damage
            elif entry.content.is_indirect:
                yield from self._damage_in_list(ref)

    def _damage_in_list(self, ref: ChunkRef) -> Iterator[_Damage]:
        try:
            (data,) = self._repository.chunks.read_uncached([ref])
            refs = decode_chunk_list(data)
        except IntegrityError:
            yield self._damages.setdefault(ref, _Damage(_describe(ref)))
            return
        for inner in refs:
            damage = self._look_at(inner)
            if damage is not None:
                yield damage

    def _look_at(self, ref: ChunkRef) -> _Damage | None:
        if self._is_sound(ref):
            return None
        if ref.pack not in self._results:
            what = f"the pack {pack_key(ref.pack)} is missing from the object store"
            return self._damages.setdefault(ref.pack, _Damage(what))
        if ref not in self._checked:
            bad = ref in self._results[ref.pack].bad or bool(_bad_chunks(self._repository, [ref]))
            self._checked[ref] = self._damages.setdefault(ref, _Damage(_describe(ref))) if bad else None
        return self._checked[ref]

    def _is_sound(self, ref: ChunkRef) -> bool:
        result = self._results.get(ref.pack)
        if result is None:
            return False
        fingerprint = _fingerprint(ref)
        place = bisect_left(result.sound, fingerprint)
        return place < len(result.sound) and result.sound[place] == fingerprint


def _describe(ref: ChunkRef) -> str:
    place = f"bytes {ref.offset} to {ref.offset + ref.stored_size} of the pack {pack_key(ref.pack)}"
    return f"the chunk {ref.digest.hex()} is damaged: {place} are missing, or not what its digest says"
