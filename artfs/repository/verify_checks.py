"""The checks of verify that need no data: one function for each invariant, over one survey. They report and raise nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from artfs.errors import IntegrityError
from artfs.model.entry import PackId, pack_key
from artfs.model.manifest_root import PageRef, describe_page, needed_packs, version_digest
from artfs.model.records import VersionRecord
from artfs.repository.survey import Holder, Problem, Survey, names_of, read_page, read_root

Check = Callable[[Survey], Iterator[Problem]]


def check_nothing_dangles(survey: Survey) -> Iterator[Problem]:
    """I1: every pack that a live version or a contribution needs was committed and is in the object store, whole."""
    for pack in sorted(survey.all_needed()):
        what = _why_dangling(survey, pack)
        if what:
            yield Problem("I1", f"the pack {pack_key(pack)} {what}", survey.needing(pack))


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
    """I2, and I3 for manifests: what a version lists is what was committed, and its number belongs to it alone."""
    pages: dict[PageRef, str | None] = {}
    damaged: dict[PageRef, list[Holder]] = {}
    for version in survey.holders:
        try:
            root = read_root(survey, version)
        except IntegrityError as error:
            yield Problem("I3", f"the manifest of {version.qualified_name} is damaged: {_damage(error)}", names_of([version]))
            continue
        if root is None:
            continue  # reported under I1
        for page in root:
            if page not in pages:
                pages[page] = _why_page_bad(survey, page)
            if pages[page] is not None:
                damaged.setdefault(page, []).append(version)
        yield from _compare_with_row(version, root)
    for page, versions in damaged.items():
        first = "/".join(part for part in page.first if part)
        what = f"a manifest page of {page.entry_count} entries that begins with {first!r} is damaged: {pages[page]}"
        yield Problem("I3", what, names_of(versions), (first,))
    yield from _check_numbers(survey)


def _why_page_bad(survey: Survey, page: PageRef) -> str | None:
    try:
        entries = read_page(survey, page)
        if entries is None:
            return None  # reported under I1
        found = describe_page(entries, page.chunk)
    except (IntegrityError, IndexError) as error:
        return _damage(error)
    return None if found == page else "it does not hold what the manifest says"


def _damage(error: IntegrityError | IndexError) -> str:
    """What is wrong, without the advice to run verify: that is what is being done."""
    return str(error).partition("; run `artfs verify")[0]


def _compare_with_row(version: Holder, pages: tuple[PageRef, ...]) -> Iterator[Problem]:
    name = version.qualified_name
    if isinstance(version, VersionRecord) and version_digest(page.canonical for page in pages) != version.digest:
        yield Problem("I2", f"the manifest of {name} does not have the digest that was committed", (name,))
    counted = (sum(page.size for page in pages), sum(page.file_count for page in pages))
    if counted != (version.size, version.file_count):
        yield Problem("I2", f"the manifest of {name} does not have the size and the number of files that were committed", (name,))


def _check_numbers(survey: Survey) -> Iterator[Problem]:
    versions = sorted(survey.versions, key=lambda version: (version.collection_id, version.number))
    for _, group in groupby(versions, key=lambda version: (version.collection_id, version.number)):
        same = list(group)
        if len(same) > 1:
            yield Problem("I2", f"the number of {same[0].qualified_name} was given {len(same)} times", names_of(same))


def check_needed_packs_stay(survey: Survey) -> Iterator[Problem]:
    """I4: the registry knows every pack that a live version or a contribution needs, and gc is about to delete none of them."""
    for pack in sorted(survey.all_needed()):
        row = survey.packs.get(pack)
        if row is not None and row.doomed_at is not None:
            yield Problem("I4", f"gc is about to delete the pack {pack_key(pack)}, which versions need", survey.needing(pack))
    for version in survey.holders:
        try:
            root = read_root(survey, version)
        except IntegrityError:
            continue  # reported under I3
        needed = needed_packs(root or (), version.manifest)
        unknown = needed - survey.needed_by(version)
        if unknown and survey.needed_by(version):
            what = f"gc does not know that {version.qualified_name} needs {', '.join(map(pack_key, sorted(unknown)))}"
            yield Problem("I4", what, names_of([version]))


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
