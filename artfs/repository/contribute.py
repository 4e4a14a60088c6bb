"""Versions that parallel writers build together: contributions, and the finish that makes one version of them.

    contribute              what one writer has becomes durable under a distributed id; nobody sees it yet
    finish_contributions    one version of all that was contributed under the id, and of what the finisher adds
    list_unfinished         the sets that wait for their finish

A contribution has a manifest of its own, and is written in the order of a commit: packs, then one transaction (I1). From then on it
is kept from gc (I4) until it is finished or was abandoned. A finish merges manifests and reads no data; its transaction checks that
what was merged is still unfinished, else it merges again, so that a contribution becomes part of one version, once. A contribution
that is added meanwhile is for the next version.

Threads: as for commits, an ingest is ended by one thread; writers and finishers may be threads, processes and hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from artfs.content.ingest import Ingest
from artfs.content.manifest_writer import write_manifest
from artfs.errors import ContributionsDiffer, InternalError, NotFound
from artfs.model.contributions import ContributionDraft, ContributionSet, Wishes, writer_name
from artfs.model.entry import Entry, Kind, parent_paths
from artfs.model.records import CommitOutcome
from artfs.repository.commit import CommitRequest, check_entity, complete_entries, keep_unchanged, make_draft
from artfs.repository.leased_ingest import LeasedIngest, aborted_on_error, leased
from artfs.repository.repository import Repository


def contribute(
    repository: Repository, ingest: Ingest, entries: Iterable[Entry], request: CommitRequest, distributed_id: str
) -> None:
    """Add `entries` to the version that is to be finished under `distributed_id`; durable when this returns.

    The aliases, description and metadata of the request are for that version; its run becomes a producer. Raises UserError when
    the artifact has another type. After an error the ingest is aborted.
    """
    with aborted_on_error(ingest):
        check_entity(ingest, request.artifact)
        if request.run_id is None:
            raise InternalError(f"a contribution to {request.artifact} without a run")
        owned = leased(ingest)
        written = write_manifest(complete_entries(entries), ingest.put_chunk)
        # All packs are durable before the transaction that names them (I1).
        ingest.finish()
        draft = ContributionDraft(
            artifact=request.artifact,
            type=request.type,
            distributed_id=distributed_id,
            run_id=request.run_id,
            manifest=written.root,
            size=written.size,
            file_count=written.file_count,
            needed_packs=written.needed_packs,
            lease=ingest.lease,
            wishes=_wishes(request),
        )
        with owned.given_to_registry():
            repository.registry.contributions.add(draft)


def finish_contributions(
    repository: Repository, ingest: Ingest, entries: Iterable[Entry], request: CommitRequest, distributed_id: str
) -> CommitOutcome:
    """Make one version of all that was contributed under `distributed_id`, and of `entries`; then as `commit_entries`.

    Raises ContributionsDiffer when two writers have given one path different content; then nothing has happened, and the ingest is
    as good as before. After another error it is aborted, and the contributions are still there.
    """
    with aborted_on_error(ingest, but_for=(ContributionsDiffer,)):
        check_entity(ingest, request.artifact)
        owned = leased(ingest)
        own = complete_entries(entries)
        while True:
            merged = _merge(repository, own, request, distributed_id)
            outcome = _finish(repository, owned, merged, request)
            if outcome is not None:
                return outcome
            # Another finish was faster: what is left is less than before, so this comes to an end.


def list_unfinished(repository: Repository) -> list[ContributionSet]:
    """The sets of contributions that wait for their finish, the oldest first."""
    return repository.registry.contributions.list_sets()


@dataclass(slots=True)
class _Said:
    """All that one run has contributed. `writer` is None for a finisher that has contributed nothing before."""

    writer: str | None
    entries: dict[str, Entry] = field(default_factory=dict)

    def say(self, entries: Iterable[Entry]) -> None:
        """Take in entries, directories among them; they replace what the run has said of these paths before."""
        later = {entry.path: entry for entry in entries}
        if self.entries:
            leaves = {path for path, entry in later.items() if entry.kind is not Kind.DIRECTORY}
            for path in [path for path in self.entries if not leaves.isdisjoint(parent_paths(path))]:
                del self.entries[path]
        self.entries.update(later)


@dataclass(frozen=True, slots=True)
class _Merged:
    """The content of a version that is to be, what is asked of it, and the contributions it is made of."""

    entries: Sequence[Entry]
    wishes: Wishes
    contributions: Sequence[int]


def _finish(repository: Repository, ingest: LeasedIngest, merged: _Merged, request: CommitRequest) -> CommitOutcome | None:
    kept = keep_unchanged(repository, request.artifact, merged.entries)
    written = write_manifest(kept, ingest.put_chunk)
    # Nothing is discarded for content that is a version already: should this have to be done again, it is needed.
    ingest.finish()
    existing = repository.registry.versions.find_by_digest(request.artifact, written.digest)
    root, needed = written.root, written.needed_packs
    if existing is not None:
        root, needed = existing.manifest, repository.registry.versions.needed_packs(existing.id)
    asked = CommitRequest(
        artifact=request.artifact,
        type=request.type,
        aliases=merged.wishes.aliases,
        description=merged.wishes.description,
        metadata=merged.wishes.metadata,
        run_id=request.run_id,
        expected_number=request.expected_number,
    )
    draft = make_draft(asked, existing or written, root, needed, ingest.lease)
    with ingest.given_to_registry():
        outcome = repository.registry.contributions.finish(draft, merged.contributions)
    if outcome is None:
        ingest.take_back()
    return outcome


def _merge(repository: Repository, own: Sequence[Entry], request: CommitRequest, distributed_id: str) -> _Merged:
    pending = repository.registry.contributions.list_of(request.artifact, distributed_id)
    by_run: dict[str | None, _Said] = {}
    wishes = Wishes()
    for contribution in pending:
        said = by_run.setdefault(contribution.run_id, _Said(contribution.writer))
        said.say(repository.manifests.open(contribution.manifest).iter_entries())
        wishes = wishes.then(contribution.wishes)
    by_run.setdefault(request.run_id, _Said(None)).say(own)
    merged: dict[str, tuple[Entry, _Said]] = {}
    differing: dict[str, tuple[_Said, _Said]] = {}
    for said in by_run.values():
        for path, entry in said.entries.items():
            there, first = merged.setdefault(path, (entry, said))
            if not there.same_content(entry):
                differing.setdefault(path, (first, said))
    if differing:
        raise _conflict(repository, request, distributed_id, differing)
    entries = sorted((entry for entry, _ in merged.values()), key=lambda entry: entry.sort_key)
    return _Merged(entries, wishes.then(_wishes(request)), [contribution.id for contribution in pending])


def _conflict(
    repository: Repository, request: CommitRequest, distributed_id: str, differing: dict[str, tuple[_Said, _Said]]
) -> ContributionsDiffer:
    path = min(differing)
    one, two = differing[path]
    first, second = (said.writer or _finisher(repository, request) for said in (one, two))
    below = _below(path, one) or _below(path, two)
    if below is None:
        what = f"{path!r} has one content from {first} and another from {second}"
    else:
        file, folder = (second, first) if _below(path, one) else (first, second)
        what = f"{path!r} is a file from {file}, but {below!r} comes from {folder}"
    more = f" (and {len(differing) - 1} more paths differ)" if len(differing) > 1 else ""
    return ContributionsDiffer(
        f"{request.artifact} cannot be finished under the distributed_id {distributed_id!r}: {what}{more}; let one of them "
        "contribute that path again, as of one run the last word counts, or begin anew under another distributed_id",
        path=path,
        writers=(first, second),
    )


def _below(path: str, said: _Said) -> str | None:
    """A path below `path`, or that itself when there is none, if it is a directory; else None."""
    if said.entries[path].kind is not Kind.DIRECTORY:
        return None
    return next((other for other in said.entries if other.startswith(f"{path}/")), path)


def _finisher(repository: Repository, request: CommitRequest) -> str:
    if request.run_id is None:
        return "whoever finishes"
    try:
        run = repository.registry.runs.get(request.run_id)
    except NotFound:
        return request.run_id
    return writer_name(run.id, run.name)


def _wishes(request: CommitRequest) -> Wishes:
    return Wishes(tuple(request.aliases), request.description, request.metadata)
