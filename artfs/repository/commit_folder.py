"""A local folder becomes a version; at the cost of a walk when it is what it was at the last commit.

Puts together what `content` and `commit` offer, in the caller's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from artfs.content.walk import Walk, walk_directory
from artfs.content.walk_memo import WalkMemo
from artfs.model.entry import directory_entry
from artfs.model.progress import OnFilesDone
from artfs.model.records import CommitOutcome
from artfs.repository.commit import CommitRequest, commit_again, commit_entries
from artfs.repository.leased_ingest import aborted_on_error, begin_ingest
from artfs.repository.repository import Repository
from artfs.repository.second_try import again_if_lease_lost

#: Told the number of files, gives what is called with the files and bytes done while the block runs.
Watch = Callable[[int], AbstractContextManager[OnFilesDone | None]]


def commit_folder(
    repository: Repository, root: Path, request: CommitRequest, watch: Watch = lambda _: nullcontext()
) -> CommitOutcome:
    """Make a version of all that is below `root`; else as `commit_entries`, once more if the lease was lost."""
    memo = WalkMemo(repository.config.memo_dir, request.artifact.entity, root)
    walk = walk_directory(root)
    known = memo.find(walk)
    if known is not None and (outcome := commit_again(repository, known, request)) is not None:
        return outcome
    outcome = again_if_lease_lost(lambda: _take_in(repository, walk, request, watch))
    memo.record(walk, outcome.version.digest)
    return outcome


def _take_in(repository: Repository, walk: Walk, request: CommitRequest, watch: Watch) -> CommitOutcome:
    ingest = begin_ingest(repository, request.artifact.entity)
    with aborted_on_error(ingest), watch(len(walk.found)) as on_progress:
        entries = ingest.add_found(walk.found, on_progress)
    directories = (directory_entry(path) for path in walk.empty_directories)
    return commit_entries(repository, ingest, [*entries, *directories], request)
