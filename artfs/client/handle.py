"""Description, metadata and aliases as one handle shows them, and what was changed on that handle.

Two handles of one version may be changed at the same time, in one process or on two hosts: `save` sends what was changed here and
nothing else, so that edits of aliases merge, and a description or a key of the metadata that somebody else set stays. The
metadata and the list of aliases stay the same objects for as long as the handle lives, as callers keep them. Not for several
threads at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artfs.client.alias_list import AliasList
from artfs.errors import TypeNotValid, UserError
from artfs.model.metadata import changed_keys, copy_metadata, is_storable
from artfs.model.records import VersionRecord
from artfs.registry.open import Registry


def check_description(description: str | None) -> str | None:
    if description is not None and not isinstance(description, str):
        raise TypeNotValid(f"a description must be text, not {type(description).__name__}")
    if description is not None and not is_storable(description):
        raise UserError(f"a description must be valid Unicode without NUL: {description!r}")
    return description


class Handle:
    """The values as the caller sees and changes them, beside those that were loaded (or, before there is a version, logged)."""

    def __init__(self, description: str | None, metadata: Mapping[str, Any] | None) -> None:
        self.description = check_description(description)
        self.metadata = copy_metadata(metadata)
        self.aliases = AliasList()
        self.mark()

    def mark(self) -> None:
        """Take the values as they are now for those that are stored. Checks the metadata, which may have been changed in place."""
        self._stored_metadata = copy_metadata(self.metadata)
        self._stored_description = self.description

    def load(self, record: VersionRecord) -> None:
        """Show the values of `record`, and what was changed here on top of them."""
        changes = changed_keys(self._stored_metadata, self.metadata)
        described, description = self.description != self._stored_description, self.description
        add, remove = self.aliases.to_add(), self.aliases.to_remove()
        self._show(record)
        if described:
            self.description = description
        self.metadata.update(changes[0])
        for key in changes[1]:
            self.metadata.pop(key, None)
        self.aliases.edit(add, remove)

    def replace_metadata(self, metadata: Mapping[str, Any] | None) -> None:
        copied = copy_metadata(metadata)
        self.metadata.clear()
        self.metadata.update(copied)

    def save(self, record: VersionRecord, registry: Registry) -> VersionRecord:
        """Make what was changed here part of the version, show how the version is now, and return that."""
        versions = registry.versions
        to_set, to_remove = changed_keys(self._stored_metadata, copy_metadata(self.metadata))
        if self.description != self._stored_description:
            versions.update(record.id, description=self.description, set_metadata=to_set, remove_metadata=to_remove)
        elif to_set or to_remove:
            versions.update(record.id, set_metadata=to_set, remove_metadata=to_remove)
        add, remove = self.aliases.to_add(), self.aliases.to_remove()
        if add or remove:
            versions.edit_aliases(record.id, add=add, remove=remove)
        saved = versions.get(record.id)
        self._show(saved)
        return saved

    def _show(self, record: VersionRecord) -> None:
        self.description = record.description
        self.replace_metadata(record.metadata)
        self.aliases.load(record.aliases)
        self.mark()
