"""What a draft has taken in, taken in again: for another entity, or because the lease that it was stored under was lost (I4).

A commit that comes after a lost lease has failed cleanly: a notebook's machine slept for a night. What was taken in comes from the
local files then, where these are what they were; what was written to `new_file`, and tables, from what was stored under the lost
lease, which is there until gc comes by. Nothing is kept in memory for this. Called in the thread that commits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from artfs.client.draft_content import DraftContent
from artfs.client.session import SESSION
from artfs.content.ingest import Ingest
from artfs.errors import IntegrityError, LeaseLost, SourceNotReadable
from artfs.model.entry import Entry, Kind
from artfs.repository.leased_ingest import leased
from artfs.repository.places_of_now import with_places_of_now
from artfs.repository.repository import Repository

#: Content up to so many bytes goes through memory on its way.
_IN_MEMORY = 8 << 20


def take_in_again(content: DraftContent) -> DraftContent:
    """`content`, whose lease was lost, under a new one; what the lost one has stored is removed.

    Raises LeaseLost when something of it is to be had nowhere.
    """
    if content.ingest is None or content.config is None:
        return content
    repository = SESSION.repository(content.config)
    ingest = SESSION.begin_ingest(content.config)
    try:
        # What is on its way has to be there before it is read.
        leased(content.ingest).store_no_more()
        lost = content.ingest.lease
        others = [entry for entry in content.entries if not any(pack.startswith(lost) for pack in entry.content.needed_packs())]
        fresh = {entry.path: entry for entry in with_places_of_now(repository, ingest, others)}
        fresh |= _from_sources(ingest, [entry for entry in content.entries if entry.path not in fresh], content)
        fresh |= _from_store(ingest, [entry for entry in content.entries if entry.path not in fresh], repository)
    except BaseException:
        ingest.abort()
        raise
    finally:
        content.ingest.abort()
    return replace(content, entries=[fresh[entry.path] for entry in content.entries], ingest=ingest)


def pass_on(entries: Sequence[Entry], source: Repository, ingest: Ingest) -> list[Entry]:
    """The entries with their content in `ingest`, read from `source`."""
    moved: list[Entry] = []
    with tempfile.TemporaryDirectory(prefix="artfs-") as folder:
        passage = Path(folder, "content")
        for entry in entries:
            if entry.kind is not Kind.FILE:
                moved.append(entry)
                continue
            if entry.size <= _IN_MEMORY:
                fresh = ingest.add_bytes(b"".join(source.reader.iter_bytes(entry)), entry.path)
            else:
                with passage.open("wb") as file:
                    for data in source.reader.iter_bytes(entry):
                        file.write(data)
                fresh = ingest.add_file(passage, entry.path)
                passage.unlink()
            moved.append(replace(entry, content=fresh.content))
    return moved


def _from_sources(ingest: Ingest, entries: Sequence[Entry], content: DraftContent) -> dict[str, Entry]:
    """Those of the entries whose source holds the same bytes as when it was added."""
    found = [entry for entry in entries if _is_unchanged(entry, content.sources.get(entry.path))]
    try:
        taken = ingest.add_files((entry.path, Path(content.sources[entry.path])) for entry in found)
    except SourceNotReadable as error:
        raise LeaseLost(
            f"the lease of what was added was lost, and it cannot be added again ({error}): build the artifact again"
        ) from error
    pairs = zip(found, taken, strict=True)
    return {old.path: replace(old, content=new.content) for old, new in pairs if old.digest == new.digest}


def _is_unchanged(entry: Entry, source: str | None) -> bool:
    """True if the file looks as it did; what it holds is compared by its digest."""
    if source is None:
        return False
    try:
        now = Path(source).stat()
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) == (entry.size, entry.mtime_ns)


def _from_store(ingest: Ingest, entries: Sequence[Entry], repository: Repository) -> dict[str, Entry]:
    """The entries as they were stored under the lease that was lost."""
    fresh: dict[str, Entry] = {}
    for entry in entries:
        try:
            (fresh[entry.path],) = pass_on([entry], repository, ingest)
        except IntegrityError as error:
            raise LeaseLost(
                f"{entry.path!r} was added so long ago that what was stored of it has been collected, and its source is another: "
                "build the artifact again"
            ) from error
    return fresh
