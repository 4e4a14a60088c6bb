"""What is done for one artifact: makes a version of what was taken in, or marks one that is there, or contributes to one.

Called in the thread of an uploader, or of whoever contributes or finishes. Functions that make or mark a version return its record
as it is afterwards.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from artfs.client.draft import DraftContent
from artfs.client.notices import notice
from artfs.client.session import SESSION
from artfs.config import Config
from artfs.content.ingest import Ingest
from artfs.errors import ContributionsDiffer, UserError
from artfs.model.entry import Entry, Kind
from artfs.model.names import LATEST
from artfs.model.records import CommitOutcome, Direction, VersionRecord
from artfs.repository.commit import CommitRequest, commit_entries
from artfs.repository.contribute import contribute, finish_contributions
from artfs.repository.repository import Repository

#: Content up to so many bytes goes through memory on its way to another entity.
_IN_MEMORY = 8 << 20


def commit_content(config: Config, content: DraftContent, request: CommitRequest) -> VersionRecord:
    """Make a version of `content`, or reuse the one that has that content (I8)."""
    outcome = _commit(config, content, request)
    if not outcome.created:
        _tell_of_reuse(outcome, request)
    return outcome.version


def use_content(config: Config, content: DraftContent, request: CommitRequest, run_id: str) -> VersionRecord:
    """Mark the version that has this content as used by the run; make it first if there is none.

    Content that is known is used and not logged, so `latest` stays where it is.
    """
    registry = SESSION.repository(config).registry
    known = registry.versions.find_by_digest(request.artifact, content.digest())
    if known is not None:
        if request.type != known.type:
            raise UserError(
                f"{request.artifact} holds artifacts of type {known.type!r}, not {request.type!r}: use another name or that type"
            )
        if content.ingest is not None:
            content.ingest.abort()
        if request.aliases:
            known = registry.versions.edit_aliases(known.id, add=request.aliases)
    record = known or _commit(config, content, request).version
    registry.lineage.add(run_id, record.id, Direction.INPUT)
    return record


def log_again(config: Config, find: Callable[[], VersionRecord], aliases: Sequence[str], run_id: str) -> VersionRecord:
    """Log a version that there is: the run becomes another producer, and `latest` and `aliases` move to it."""
    registry = SESSION.repository(config).registry
    record = registry.versions.edit_aliases(find().id, add=list(dict.fromkeys([LATEST, *aliases])))
    registry.lineage.add(run_id, record.id, Direction.OUTPUT)
    return record


def contribute_content(
    config: Config, content: DraftContent, request: CommitRequest, distributed_id: str, *, overwrite: bool
) -> DraftContent:
    """Make `content` part of a version that is to be finished; returns it as it is stored now, to be committed again."""
    with _owned(config, content) as (ingest, entries):
        contribute(SESSION.repository(config), ingest, entries, request, distributed_id, overwrite=overwrite)
    return DraftContent(entries, config, None)


def finish_content(
    config: Config, content: DraftContent, request: CommitRequest, distributed_id: str, *, overwrite: bool
) -> VersionRecord:
    """Make a version of `content` and all that was contributed. After ContributionsDiffer, `content` is as good as before."""
    with _owned(config, content) as (ingest, entries):
        repository = SESSION.repository(config)
        outcome = finish_contributions(repository, ingest, entries, request, distributed_id, overwrite=overwrite)
    if not outcome.contributions:
        notice(
            f"{request.artifact.name}: nothing was contributed under the distributed_id {distributed_id!r}, or all of it is "
            f"finished already, so {outcome.version.label} has only what the finisher added"
        )
    if not outcome.created:
        _tell_of_reuse(outcome, request)
    return outcome.version


def _commit(config: Config, content: DraftContent, request: CommitRequest) -> CommitOutcome:
    with _owned(config, content) as (ingest, entries):
        return commit_entries(SESSION.repository(config), ingest, entries, request)


@contextmanager
def _owned(config: Config, content: DraftContent) -> Iterator[tuple[Ingest, Sequence[Entry]]]:
    """`content` as that of the entity of `config`: an ingest that the block ends, and entries."""
    home = content.config
    is_there = home is None or (home.entity == config.entity and SESSION.repository(home) is SESSION.repository(config))
    if is_there and content.ingest is not None:
        yield content.ingest, content.entries
        return
    if not is_there and content.ingest is None and any(entry.kind is Kind.FILE for entry in content.entries):
        raise UserError("what was contributed for one entity cannot be logged to another: build a new Artifact there")
    ingest = SESSION.begin_ingest(config)
    try:
        if home is None or content.ingest is None:
            yield ingest, content.entries
        else:
            yield ingest, _move(content.entries, SESSION.repository(home), content.ingest, ingest)
    except ContributionsDiffer:
        ingest.abort()
        raise
    except BaseException:
        ingest.abort()
        if content.ingest is not None:
            content.ingest.abort()
        raise
    if content.ingest is not None:
        content.ingest.abort()


def _move(entries: Sequence[Entry], source: Repository, from_ingest: Ingest, to_ingest: Ingest) -> list[Entry]:
    """Take in again, for another entity, what was taken in before it was known for whom: entities share no bytes."""
    from_ingest.finish()
    moved: list[Entry] = []
    with tempfile.TemporaryDirectory(prefix="artfs-") as folder:
        passage = Path(folder, "content")
        for entry in entries:
            if entry.kind is not Kind.FILE:
                moved.append(entry)
                continue
            if entry.size <= _IN_MEMORY:
                fresh = to_ingest.add_bytes(b"".join(source.reader.iter_bytes(entry)), entry.path)
            else:
                with passage.open("wb") as file:
                    for data in source.reader.iter_bytes(entry):
                        file.write(data)
                fresh = to_ingest.add_file(passage, entry.path)
                passage.unlink()
            moved.append(replace(entry, content=fresh.content))
    return moved


def _tell_of_reuse(outcome: CommitOutcome, request: CommitRequest) -> None:
    updated = [what for what, given in (("description", request.description is not None), ("metadata", request.metadata)) if given]
    text = f"{request.artifact.name}: this content is {outcome.version.label} already, so no new version was made"
    if updated:
        text += (
            f"; the {' and '.join(updated)} of {outcome.version.label} was updated"
            if len(updated) == 1
            else (f"; the {' and '.join(updated)} of {outcome.version.label} were updated")
        )
    notice(text)
