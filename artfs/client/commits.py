"""What is done for one artifact: makes a version of what was taken in, or marks one that is there, or contributes to one.

Called in the thread of an uploader, or of whoever contributes or finishes. Functions that make or mark a version return its record
as it is afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from artfs.client.draft_content import DraftContent
from artfs.client.notices import notice
from artfs.client.session import SESSION
from artfs.client.taking_in_again import pass_on, take_in_again
from artfs.config import Config
from artfs.content.ingest import Ingest
from artfs.errors import LeaseLost, UserError
from artfs.model.entry import Entry, Kind
from artfs.model.names import LATEST
from artfs.model.records import CommitOutcome, Direction, VersionRecord
from artfs.repository.commit import CommitRequest, commit_entries
from artfs.repository.contribute import NOT_FINISHED, contribute, finish_contributions

T = TypeVar("T")

logger = logging.getLogger(__name__)


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

    def attempt(content: DraftContent) -> DraftContent:
        with _owned(config, content) as (ingest, entries):
            contribute(SESSION.repository(config), ingest, entries, request, distributed_id, overwrite=overwrite)
        return DraftContent(entries, config, None)

    return _again_if_lease_lost(content, attempt)


def finish_content(
    config: Config, content: DraftContent, request: CommitRequest, distributed_id: str, *, overwrite: bool
) -> VersionRecord:
    """Make a version of `content` and all that was contributed. After an error of NOT_FINISHED, `content` is as good as before."""

    def attempt(content: DraftContent) -> CommitOutcome:
        with _owned(config, content) as (ingest, entries):
            repository = SESSION.repository(config)
            return finish_contributions(repository, ingest, entries, request, distributed_id, overwrite=overwrite)

    outcome = _again_if_lease_lost(content, attempt)
    if not outcome.contributions:
        notice(
            f"{request.artifact.name}: nothing was contributed under the distributed_id {distributed_id!r}, or all of it is "
            f"finished already, so {outcome.version.label} has only what the finisher added"
        )
    if not outcome.created:
        _tell_of_reuse(outcome, request)
    return outcome.version


def _commit(config: Config, content: DraftContent, request: CommitRequest) -> CommitOutcome:
    def attempt(content: DraftContent) -> CommitOutcome:
        with _owned(config, content) as (ingest, entries):
            return commit_entries(SESSION.repository(config), ingest, entries, request)

    return _again_if_lease_lost(content, attempt)


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
            content.ingest.finish()
            yield ingest, pass_on(content.entries, SESSION.repository(home), ingest)
    except NOT_FINISHED:
        ingest.abort()
        raise
    except BaseException as error:
        ingest.abort()
        if content.ingest is not None and not isinstance(error, LeaseLost):
            content.ingest.abort()
        raise
    if content.ingest is not None:
        content.ingest.abort()


def _again_if_lease_lost(content: DraftContent, attempt: Callable[[DraftContent], T]) -> T:
    """`attempt(content)`, once more with content taken in again if its lease was lost (`repository.second_try`)."""
    try:
        return attempt(content)
    except LeaseLost as error:
        logger.info("doing it once more: %s", error)
    fresh = take_in_again(content)
    try:
        return attempt(fresh)
    except LeaseLost:
        if fresh.ingest is not None:
            fresh.ingest.abort()
        raise


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
