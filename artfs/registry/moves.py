"""A version is moved: the same content, its manifest and packs elsewhere. Inside a transaction.

Locks are taken in the order of a commit (collection, lease, packs), so that deleting the version, commits, and another move of it
come before or after, and gc sees the packs needed by the old place or the new, never by neither (I4).
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete

from artfs.model.chunk_list import encode_chunk_ref
from artfs.model.entry import ChunkRef, LeaseId, PackId
from artfs.model.records import VersionState
from artfs.registry.commit import add_needs, claim_packs
from artfs.registry.lease_rows import lock_active_lease
from artfs.registry.schema import version_packs
from artfs.registry.scopes import lock_collection_of
from artfs.registry.version_rows import change_version, get_version


def move_version(
    connection: Connection, version_id: int, old: ChunkRef, new: ChunkRef, *, needed: Collection[PackId], lease: LeaseId
) -> bool:
    """Put the manifest at `new` in the place of the one at `old`; False when that is not the version's any more."""
    lock_collection_of(connection, get_version(connection, version_id).collection_id)
    record = get_version(connection, version_id)
    if record.state is not VersionState.COMMITTED or record.manifest != old:
        return False
    lock_active_lease(connection, lease, for_what=f"moving {record.qualified_name}")
    rows = claim_packs(connection, record.artifact, lease, needed)
    connection.execute(delete(version_packs).where(version_packs.c.version_id == version_id))
    add_needs(connection, version_id, rows)
    change_version(connection, version_id, manifest=encode_chunk_ref(new))
    return True
