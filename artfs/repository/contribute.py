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
from dataclasses import dataclass, replace
from typing import NamedTuple

from artfs.content.ingest import Ingest
from artfs.content.manifest_writer import write_manifest
from artfs.errors import ContributionsDiffer, InternalError, NotFound, NothingContributed
from artfs.model.contributions import ContributionDraft, ContributionSet, Wishes, writer_name
from artfs.model.entry import Entry, Kind, parent_paths
from artfs.model.records import CommitOutcome, Direction
from artfs.registry.versions import KEEP
from artfs.repository.commit import CommitRequest, check_entity, complete_entries, keep_unchanged, make_draft
from artfs.repository.leased_ingest import LeasedIngest, aborted_on_error, leased
from artfs.repository.repository import Repository

#: A finish that raises one of these has changed nothing, and its ingest is as good as before.
NOT_FINISHED = (ContributionsDiffer, NothingContributed)


def contribute(
    repository: Repository,
    ingest: Ingest,
    entries: Iterable[Entry],
    request: CommitRequest,
    distributed_id: str,
    *,
    overwrite: bool = False,
) -> None:
    """Add `entries` to the version that is to be finished under `distributed_id`; durable when this returns.

    The aliases, description and metadata of the request are for that version; its run becomes a producer. With `overwrite`, what
    was contributed before at the same paths makes place. Raises UserError when the artifact has another type. After an error the
    ingest is aborted.
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
            wishes=replace(_wishes(request), overwrite=overwrite),
        )
        with owned.given_to_registry():
            repository.registry.contributions.add(draft)


def finish_contributions(
    repository: Repository,
    ingest: Ingest,
    entries: Iterable[Entry],
    request: CommitRequest,
    distributed_id: str,
    *,
    overwrite: bool = False,
) -> CommitOutcome:
    """Make one version of all that was contributed under `distributed_id`, and of `entries`; then as `commit_entries`.

    A finish that finds nothing to be finished, and brings nothing that the version finished last under the id lacks, is that
    version: so it can be done twice, and by several at once. With `overwrite`, `entries` take the place of what was contributed at
    the same paths.

    Raises ContributionsDiffer when two writers have given one path different content, NothingContributed when there is nothing to
    make a version of; then nothing has happened, and the ingest is as good as before. After another error it is aborted, and the
    contributions are still there.
    """
    with aborted_on_error(ingest, but_for=NOT_FINISHED):
        check_entity(ingest, request.artifact)
        owned = leased(ingest)
        own = complete_entries(entries)
        while True:
            merged = _merge(repository, own, request, distributed_id, overwrite=overwrite)
            if not merged.contributions:
                before = _finished_before(repository, own, request, distributed_id)
                if before is not None:
                    ingest.abort()
                    return before
            outcome = _finish(repository, owned, merged, request)
            if outcome is not None:
                return replace(outcome, contributions=len(merged.contributions))
            # Another finish was faster: what is left is less than before, so this comes to an end.


def list_unfinished(repository: Repository) -> list[ContributionSet]:
    """The sets of contributions that wait for their finish, the oldest first."""
    return repository.registry.contributions.list_sets()


class _Put(NamedTuple):
    """An entry of the version that is to be, and who put it there; None is the finisher."""

    entry: Entry
    writer: str | None


class _Merge:
    """What all writers together have said, one after the other. Each contribution is one writer's, whichever run it is of."""

    def __init__(self) -> None:
        self.puts: dict[str, _Put] = {}
        self.differing: dict[str, tuple[_Put, _Put]] = {}

    def add(self, entries: Iterable[Entry], writer: str | None, *, overwrite: bool) -> None:
        """Take in what one writer has said, directories among it; with `overwrite`, in the place of what was there."""
        entries = list(entries)
        if overwrite:
            self._make_place(entries)
        for entry in entries:
            there = self.puts.setdefault(entry.path, _Put(entry, writer))
            if there.entry.kind is not entry.kind or there.entry.digest != entry.digest:
                self.differing.setdefault(entry.path, (there, _Put(entry, writer)))
            elif entry.executable and not there.entry.executable:
                # The same bytes are no conflict, and whose were first must not decide what the version is.
                self.puts[entry.path] = _Put(entry, there.writer)

    def below(self, path: str) -> str:
        """A path below the directory `path`, or that itself when there is none."""
        return next((other for other in self.puts if other.startswith(f"{path}/")), path)

    def _make_place(self, entries: Iterable[Entry]) -> None:
        folders = set()
        for entry in entries:
            differs = self.differing.pop(entry.path, None)
            put = self.puts.get(entry.path)
            if put is None or put.entry.kind is entry.kind is Kind.DIRECTORY:
                continue
            if entry.kind is not Kind.DIRECTORY and (put.entry.kind is Kind.DIRECTORY or differs):
                folders.add(entry.path)
            del self.puts[entry.path]
        if folders:
            for path in [path for path in self.puts if not folders.isdisjoint(parent_paths(path))]:
                del self.puts[path]
                self.differing.pop(path, None)


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
    wishes = merged.wishes
    asked = replace(request, aliases=wishes.aliases, description=wishes.description, metadata=wishes.metadata)
    stored = repository.registry.versions.find_stored(request.artifact, written.digest)
    if stored is None:
        draft = make_draft(asked, written, written.root, written.needed_packs, ingest.lease)
    else:
        # Looked up together: a repack that moves the version in between would pair one place with the packs of the other.
        version, needed = stored
        draft = make_draft(asked, version, version.manifest, needed, ingest.lease)
    with ingest.given_to_registry():
        outcome = repository.registry.contributions.finish(draft, merged.contributions)
    if outcome is None:
        ingest.take_back()
    return outcome


def _finished_before(
    repository: Repository, own: Sequence[Entry], request: CommitRequest, distributed_id: str
) -> CommitOutcome | None:
    """The version finished last under the id, if it has all of `own`; None where `own` is to be logged.

    The run becomes a producer of it, and what is asked is applied to it; `latest` stays where others have moved it meanwhile.
    Raises NothingContributed when there is neither such a version nor anything of the finisher's own.
    """
    registry = repository.registry
    found = registry.contributions.find_finished(request.artifact, distributed_id)
    if found is None:
        if not own:
            raise _nothing(repository, request, distributed_id)
        return None
    version, contributions = found
    manifest = repository.manifest(version)
    for entry in own:
        there = manifest.get(entry.path)
        if there is None or (there.kind, there.digest) != (entry.kind, entry.digest):
            return None
    if request.description is not None or request.metadata:
        description = KEEP if request.description is None else request.description
        version = registry.versions.update(version.id, description=description, set_metadata=request.metadata)
    if request.aliases:
        version = registry.versions.edit_aliases(version.id, add=request.aliases)
    if request.run_id is not None:
        registry.lineage.add(request.run_id, version.id, Direction.OUTPUT)
    return CommitOutcome(version, created=False, contributions=contributions)


def _nothing(repository: Repository, request: CommitRequest, distributed_id: str) -> NothingContributed:
    waiting = [found.distributed_id for found in list_unfinished(repository) if found.artifact == request.artifact]
    more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
    others = f"finish one that waits ({', '.join(map(repr, waiting[:3]))}{more})" if waiting else "call upsert_artifact() first"
    return NothingContributed(
        f"{request.artifact} has nothing to finish under the distributed_id {distributed_id!r}: nothing was contributed, or it was "
        f"given up as abandoned; {others}, or finish with an artifact that has files"
    )


def _merge(
    repository: Repository, own: Sequence[Entry], request: CommitRequest, distributed_id: str, *, overwrite: bool
) -> _Merged:
    pending = repository.registry.contributions.list_of(request.artifact, distributed_id)
    merge = _Merge()
    wishes = Wishes()
    for contribution in pending:
        contributed = repository.manifests.open(contribution.manifest).iter_entries()
        merge.add(contributed, contribution.writer, overwrite=contribution.wishes.overwrite)
        wishes = wishes.then(contribution.wishes)
    merge.add(own, None, overwrite=overwrite)
    if merge.differing:
        raise _conflict(repository, request, distributed_id, merge)
    entries = sorted((put.entry for put in merge.puts.values()), key=lambda entry: entry.sort_key)
    return _Merged(entries, wishes.then(_wishes(request)), [contribution.id for contribution in pending])


def _conflict(repository: Repository, request: CommitRequest, distributed_id: str, merge: _Merge) -> ContributionsDiffer:
    path = min(merge.differing)
    one, two = merge.differing[path]
    first, second = (put.writer or _finisher(repository, request) for put in (one, two))
    if (one.entry.kind is Kind.DIRECTORY) is (two.entry.kind is Kind.DIRECTORY):
        what = f"{path!r} has one content from {first} and another from {second}"
        if first == second:
            what = f"{path!r} has two contents, both from {first}"
    else:
        file, folder = (second, first) if one.entry.kind is Kind.DIRECTORY else (first, second)
        below = merge.below(path)
        other = "and a directory" if below == path else f"but {below!r} comes"
        what = f"{path!r} is a file from {file}, {other} from {folder}"
    others = len(merge.differing) - 1
    more = f" (and {others} more path{'s differ' if others > 1 else ' differs'})" if others else ""
    return ContributionsDiffer(
        f"{request.artifact} cannot be finished under the distributed_id {distributed_id!r}: {what}{more}; contribute what is "
        "right with upsert_artifact(…, overwrite=True), or begin anew under another distributed_id",
        path=path,
        writers=(first, second),
    )


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
