"""Deleting versions. Their bytes stay until gc finds that nothing needs them (I4); their numbers are never given again (I2)."""

from __future__ import annotations

from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository


def delete_version(repository: Repository, version: VersionRecord, *, delete_aliases: bool = False) -> None:
    """Delete `version`. Conflict while it has aliases, unless they are to go with it."""
    repository.registry.versions.delete(version.id, delete_aliases=delete_aliases)
