"""The checks of verify that need no data: functions over one survey that cite their invariants. They report and raise nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from artfs.errors import IntegrityError
from artfs.model.entry import PackId, pack_key
from artfs.model.manifest_root import PageRef, describe_page, needed_packs, version_digest
from artfs.model.page import decode_page
from artfs.model.records import VersionRecord
from artfs.repository.survey import Holder, Problem, Survey, names_of, without_advice
from artfs.repository.verify_walk import walk_manifests

Check = Callable[[Survey], Iterator[Problem]]


def check_nothing_dangles(survey: Survey) -> Iterator[Problem]:
    """I1: every pack that a live version or a contribution needs was committed and is in the object store, whole."""
    for pack in sorted(survey.all_needed()):
        what = _why_dangling(survey, pack)
        if what:
            yield Problem("I1", f"the pack {pack_key(pack)} {what}", survey.needing(pack), packs=(pack,))


def _why_dangling(survey: Survey, pack: PackId) -> str | None:
    row = survey.packs.get(pack)
    size = survey.objects.get(pack_key(pack))
    if size is None:
        return "is missing from the object store"
    if row is None or not row.committed:
        return "is needed by versions, but not registered as committed"
    if size != row.size:
        return f"has {size} bytes; {row.size} were stored"
    return None


def check_content_unchanged(survey: Survey) -> Iterator[Problem]:
    """I2, I3 for manifests, and I4: what a version lists is what was committed, its number belongs to it alone, and the registry
    knows all packs that it needs.
    """
    damaged: dict[PageRef, tuple[str, list[Holder]]] = {}
    for manifest in walk_manifests(survey, _why_page_bad):
        holder, pages = manifest.holder, manifest.pages
        if isinstance(pages, IntegrityError):
            what = f"the manifest of {holder.qualified_name} is damaged: {without_advice(pages)}"
            yield Problem("I3", what, names_of([holder]), packs=(holder.manifest.pack,))
            continue
        for page, why in manifest.found():
            damaged.setdefault(page, (why, []))[1].append(holder)
        if pack_key(holder.manifest.pack) in survey.objects:  # else reported under I1
            yield from _compare_with_row(holder, pages)
        yield from _compare_needs(survey, holder, pages)
    for page, (why, holders) in damaged.items():
        first = "/".join(part for part in page.first if part)
        what = f"a manifest page of {page.entry_count} entries that begins with {first!r} is damaged: {why}"
        yield Problem("I3", what, names_of(holders), (first,), (page.chunk.pack,))
    yield from _check_numbers(survey)


def _why_page_bad(page: PageRef, data: bytes | IntegrityError) -> str | None:
    try:
        if isinstance(data, IntegrityError):
            return without_advice(data)
        found = describe_page(decode_page(data), page.chunk)
    except (IntegrityError, IndexError) as error:
        return without_advice(error)
    return None if found == page else "it does not hold what the manifest says"


def _compare_with_row(version: Holder, pages: Sequence[PageRef]) -> Iterator[Problem]:
    name = version.qualified_name
    if isinstance(version, VersionRecord) and version_digest(page.canonical for page in pages) != version.digest:
        yield Problem("I2", f"the manifest of {name} does not have the digest that was committed", (name,))
    counted = (sum(page.size for page in pages), sum(page.file_count for page in pages))
    if counted != (version.size, version.file_count):
        yield Problem("I2", f"the manifest of {name} does not have the size and the number of files that were committed", (name,))


def _compare_needs(survey: Survey, holder: Holder, pages: Sequence[PageRef]) -> Iterator[Problem]:
    known = survey.needed_by(holder)
    unknown = needed_packs(pages, holder.manifest) - known
    if unknown and known:  # one without any was deleted a moment ago
        packs = ", ".join(map(pack_key, sorted(unknown)))
        yield Problem("I4", f"gc does not know that {holder.qualified_name} needs {packs}", names_of([holder]))


def _check_numbers(survey: Survey) -> Iterator[Problem]:
    versions = sorted(survey.versions, key=lambda version: (version.collection_id, version.number))
    for _, group in groupby(versions, key=lambda version: (version.collection_id, version.number)):
        same = list(group)
        if len(same) > 1:
            yield Problem("I2", f"the number of {same[0].qualified_name} was given {len(same)} times", names_of(same))


def check_needed_packs_stay(survey: Survey) -> Iterator[Problem]:
    """I4: gc is about to delete no pack that a live version or a contribution needs."""
    for pack in sorted(survey.all_needed()):
        row = survey.packs.get(pack)
        if row is not None and row.doomed_at is not None:
            yield Problem("I4", f"gc is about to delete the pack {pack_key(pack)}, which versions need", survey.needing(pack))


def check_equal_content_is_one_version(survey: Survey) -> Iterator[Problem]:
    """I8: no two live versions of an artifact have the same digest."""
    versions = sorted(survey.versions, key=lambda version: (version.collection_id, version.digest, version.number))
    for _, group in groupby(versions, key=lambda version: (version.collection_id, version.digest)):
        same = list(group)
        if len(same) > 1:
            yield Problem("I8", f"{' and '.join(names_of(same))} have the same content", names_of(same))


#: I3 for data is in `verify_data`.
CHECKS: tuple[Check, ...] = (
    check_nothing_dangles,
    check_content_unchanged,
    check_needed_packs_stay,
    check_equal_content_is_one_version,
)
