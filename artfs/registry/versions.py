"""Versions: commit, look-up, what may change of one, deletion. Any thread; every method is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, delete, select

from artfs.errors import Conflict, NotFound
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, LeaseId, PackId
from artfs.model.names import ArtifactName, VersionName, check_alias
from artfs.model.records import CommitOutcome, VersionDraft, VersionRecord, VersionState
from artfs.registry.batches import BATCH, in_batches
from artfs.registry.commit import commit_draft
from artfs.registry.database import Database
from artfs.registry.dialects import now
from artfs.registry.moves import move_version
from artfs.registry.schema import aliases, packs, version_packs, versions
from artfs.registry.scopes import find_collection_id, is_artifact, lock_collection_of, require_collection_id
from artfs.registry.suggestions import missing_version
from artfs.registry.version_rows import (
    IS_LIVE,
    change_version,
    drop_aliases,
    find_live,
    get_version,
    place_aliases,
    require_live,
    select_versions,
)


class _Keep(Enum):
    KEEP = "keep"


#: The description stays what it is. None would mean that there is none any more.
KEEP: Final = _Keep.KEEP


class Versions:
    """The versions of all artifact collections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit(self, draft: VersionDraft) -> CommitOutcome:
        """Make a version of `draft`, or give the one of its collection that has the same digest (I8).

        Then aliases, producer, description and metadata of the draft are added to that one. Raises LeaseLost or Conflict when
        packs that are needed may be gone (I4), AlreadyExists when `expected_number` is not the next one.
        """
        return self._database.write(lambda connection: commit_draft(connection, draft))

    def resolve(self, name: VersionName) -> VersionRecord:
        """The version that a label or an alias means now. NotFound says what there is instead, or that it was deleted."""
        if name.number is not None:
            criterion = versions.c.number == name.number
        else:
            here = (aliases.c.collection_id == versions.c.collection_id) & (aliases.c.name == name.selector)
            criterion = versions.c.id == select(aliases.c.version_id).where(here).correlate(versions).scalar_subquery()

        def work(connection: Connection) -> VersionRecord:
            found = select_versions(connection, is_artifact(name.artifact), criterion)
            if not found:
                collection_id = require_collection_id(connection, name.artifact)
                raise NotFound(missing_version(connection, name.artifact, collection_id, name.selector))
            return require_live(found[0])

        return self._database.read_once(work)

    def get(self, version_id: int) -> VersionRecord:
        """The version with this id, deleted ones too (their `state` says so)."""
        return self._database.read(lambda connection: get_version(connection, version_id))

    def find_by_digest(self, artifact: ArtifactName, digest: Digest) -> VersionRecord | None:
        """The live version of the artifact that has this content."""

        def work(connection: Connection) -> VersionRecord | None:
            collection_id = find_collection_id(connection, artifact)
            return None if collection_id is None else find_live(connection, collection_id, versions.c.digest == digest)

        return self._database.read(work)

    def iter_live(self) -> Iterator[VersionRecord]:
        """All live versions of the registry, oldest first. One that is committed meanwhile may be missed."""
        after = 0
        while batch := self._live_after(after):
            yield from batch
            after = batch[-1].id

    def update(
        self,
        version_id: int,
        *,
        description: str | _Keep | None = KEEP,
        set_metadata: Mapping[str, Any] | None = None,
        remove_metadata: Iterable[str] = (),
    ) -> VersionRecord:
        """Change the description and single keys of the metadata; what is not named stays as others may have set it."""
        removed = frozenset(remove_metadata)

        def work(connection: Connection) -> VersionRecord:
            record = _lock_live(connection, version_id)
            kept = {key: value for key, value in record.metadata.items() if key not in removed}
            changes: dict[str, Any] = {"metadata": {**kept, **(set_metadata or {})}}
            if description is not KEEP:
                changes["description"] = description
            change_version(connection, version_id, **changes)
            return get_version(connection, version_id)

        return self._database.write(work)

    def edit_aliases(self, version_id: int, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> VersionRecord:
        """Put aliases on the version and take others off. An alias to be taken off that stands elsewhere by now stays there."""
        added = [check_alias(alias) for alias in add]

        def work(connection: Connection) -> VersionRecord:
            record = _lock_live(connection, version_id)
            drop_aliases(connection, version_id, remove)
            place_aliases(connection, record.collection_id, version_id, added)
            return get_version(connection, version_id)

        return self._database.write(work)

    def delete(self, version_id: int, *, delete_aliases: bool = False) -> VersionRecord:
        """Delete the version: its number stays taken (I2), its packs may be collected when nothing else needs them (I4)."""

        def work(connection: Connection) -> VersionRecord:
            record = _lock_live(connection, version_id)
            if record.aliases and not delete_aliases:
                named = ", ".join(record.aliases)
                raise Conflict(f"{record.qualified_name} is in use under the name {named}: move or remove that first")
            drop_aliases(connection, version_id, record.aliases)
            connection.execute(delete(version_packs).where(version_packs.c.version_id == version_id))
            change_version(connection, version_id, state=VersionState.DELETED.value, deleted_at=now(connection))
            return get_version(connection, version_id)

        return self._database.write(work)

    def move(self, version_id: int, old: ChunkRef, new: ChunkRef, *, needed: Collection[PackId], lease: LeaseId) -> bool:
        """Say that the manifest of the version lies at `new`, and what it needs now; its content is the same (I2).

        `lease` wrote the packs among `needed` that are new, and stays open. False, and nothing happens, when the version was
        deleted or its manifest is not at `old` any more. Raises LeaseLost or Conflict when packs that are needed may be gone (I4).
        """
        return self._database.write(lambda connection: move_version(connection, version_id, old, new, needed=needed, lease=lease))

    def find_stored(self, artifact: ArtifactName, digest: Digest) -> tuple[VersionRecord, frozenset[PackId]] | None:
        """As `find_by_digest`, with the packs that the version needs where its manifest lies now."""

        def work(connection: Connection) -> tuple[VersionRecord, frozenset[PackId]] | None:
            collection_id = find_collection_id(connection, artifact)
            found = None if collection_id is None else find_live(connection, collection_id, versions.c.digest == digest)
            return None if found is None else (found, _needed_packs(connection, found.id))

        return self._database.read(work)

    def needed_packs(self, version_id: int) -> frozenset[PackId]:
        """The packs the version needs; none once it is deleted."""
        return self._database.read(lambda connection: _needed_packs(connection, version_id))

    def needed_by_each(self, version_ids: Iterable[int]) -> dict[int, frozenset[PackId]]:
        """The packs that each of the versions needs, in a few queries; none of those that are deleted."""
        wanted = sorted(set(version_ids))

        def work(connection: Connection) -> dict[int, frozenset[PackId]]:
            found: dict[int, set[PackId]] = {version_id: set() for version_id in wanted}
            same: dict[bytes, PackId] = {}  # versions share most packs: one object for each
            for batch in in_batches(wanted):
                query = select(version_packs.c.version_id, packs.c.pack).join(packs)
                for row in connection.execute(query.where(version_packs.c.version_id.in_(batch))):
                    found[row.version_id].add(same.setdefault(row.pack, PackId(row.pack)))
            return {version_id: frozenset(needed) for version_id, needed in found.items()}

        return self._database.read(work)

    def list(self, artifact: ArtifactName) -> list[VersionRecord]:
        """The live versions of the artifact, newest first. Raises NotFound when there is no such artifact."""
        return self._database.read_once(lambda connection: _newest_first(connection, artifact))

    def newest(self, artifact: ArtifactName) -> VersionRecord | None:
        """The live version with the highest number. Raises NotFound when there is no such artifact."""
        found = self._database.read_once(lambda connection: _newest_first(connection, artifact, limit=1))
        return found[0] if found else None

    def _live_after(self, version_id: int) -> Sequence[VersionRecord]:
        criteria = (IS_LIVE, versions.c.id > version_id)
        return self._database.read(lambda connection: select_versions(connection, *criteria, order_by=versions.c.id, limit=BATCH))


def _newest_first(connection: Connection, artifact: ArtifactName, limit: int | None = None) -> list[VersionRecord]:
    found = select_versions(connection, is_artifact(artifact), IS_LIVE, order_by=versions.c.number.desc(), limit=limit)
    if not found:
        require_collection_id(connection, artifact)
    return found


def _needed_packs(connection: Connection, version_id: int) -> frozenset[PackId]:
    query = select(packs.c.pack).join(version_packs).where(version_packs.c.version_id == version_id)
    return frozenset(PackId(pack) for pack in connection.execute(query).scalars())


def _lock_live(connection: Connection, version_id: int) -> VersionRecord:
    """The version, its collection locked. Raises NotFound when it is not there or deleted."""
    lock_collection_of(connection, get_version(connection, version_id).collection_id)
    # Read again: before the lock it may have been changed by another transaction.
    return require_live(get_version(connection, version_id))
