"""Are references still what was recorded? Each distinct one is looked at once at its home, however many versions have it.

Reads manifests and asks homes; transfers content only where nothing else tells (a recorded digest). What is wrong is reported, not
raised, so that one home that does not answer does not hide what the others say. What artfs cannot fetch is not looked at.

Blocking; any thread. Homes are asked by a few threads, progress is reported from the calling one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field
from functools import partial

from artfs.content.workers import Workers
from artfs.errors import ArtfsError
from artfs.model.digest import Digest
from artfs.model.entry import Entry, Kind, Reference
from artfs.model.progress import OnShareDone
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository

_THREADS = 16


@dataclass(frozen=True, slots=True)
class ReferenceProblem:
    """A reference that is not what was recorded, or whose home does not say. `versions` have it at `path`; `what` says `error`."""

    versions: tuple[str, ...]
    path: str
    uri: str
    what: str
    error: ArtfsError = field(compare=False, repr=False)


@dataclass(slots=True)
class ReferencesReport:
    """`checked` distinct references were looked at, `unknown` ones are of schemes that artfs cannot fetch."""

    checked: int = 0
    unknown: int = 0
    problems: list[ReferenceProblem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a reference is: the names of the versions by path, in the order in which they were met."""

    reference: Reference
    paths: dict[str, dict[str, None]] = field(default_factory=dict)


def verify_references(
    repository: Repository, versions: Iterable[VersionRecord] | None = None, *, on_progress: OnShareDone | None = None
) -> ReferencesReport:
    """Look at all references of `versions`, or of all live ones. Problems are sorted by path.

    `on_progress` is told the references that were looked at and those to look at, each once in however many versions it is.
    """
    report = ReferencesReport()
    places = _find_references(repository, repository.registry.versions.iter_live() if versions is None else versions)
    known = [place for place in places if repository.references.can_fetch(place.reference.uri)]
    report.unknown = len(places) - len(known)
    workers = Workers(_THREADS, "artfs-look")
    try:
        looking = {workers.submit(partial(repository.references.check, place.reference)): place for place in known}
        for future in as_completed(looking):
            report.checked += 1
            report.problems += _problems(future, looking[future])
            if on_progress is not None:
                on_progress(report.checked, len(known))
    finally:
        workers.close(wait=False)  # whoever does not answer is not waited for after Ctrl-C
    report.problems.sort(key=lambda problem: (problem.path, problem.uri))
    return report


def _problems(looked: Future[None], place: _Place) -> Iterator[ReferenceProblem]:
    error = looked.exception()
    if error is None:
        return
    if not isinstance(error, ArtfsError):
        raise error
    for path, versions in place.paths.items():
        yield ReferenceProblem(tuple(versions), path, place.reference.uri, str(error), error)


def _find_references(repository: Repository, versions: Iterable[VersionRecord]) -> list[_Place]:
    """The distinct references. A page that versions share is read once, and pages that lie side by side with one request."""
    places: dict[Digest, _Place] = {}
    pages: dict[Digest, list[Entry]] = {}
    for version in versions:
        refs = repository.manifest(version).pages
        fresh = [page for page in refs if page.chunk.digest not in pages]
        for page, entries in zip(fresh, repository.manifests.pages.iter_pages(fresh), strict=True):
            pages[page.chunk.digest] = [entry for entry in entries if entry.kind is Kind.REFERENCE]
        for page in refs:
            for entry in pages[page.chunk.digest]:
                if entry.reference is not None:
                    place = places.setdefault(entry.digest, _Place(entry.reference))
                    place.paths.setdefault(entry.path, {})[version.qualified_name] = None
    return list(places.values())
