"""What a copy of one artifact has to do: compared are the versions of both sides, before anything is changed.

A version is the same on both sides when number and digest are. Numbers are never reused (I2), so that a number that stands for
different content cannot be copied, and neither can content that has another number at the destination (I8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from artfs.errors import Conflict, UserError
from artfs.model.digest import Digest
from artfs.model.names import ArtifactName, format_version_label
from artfs.model.records import NumberedVersion, VersionRecord, VersionState
from artfs.registry.open import Registry


@dataclass(frozen=True, slots=True)
class ArtifactPlan:
    """The copy of `source` as `target`. Versions are those of the source, lowest number first."""

    source: ArtifactName
    target: ArtifactName
    type: str
    next_number: int
    #: To be copied.
    missing: Sequence[VersionRecord]
    #: There already.
    present: Sequence[VersionRecord]
    #: Copied once and deleted at the destination since: they do not come back.
    deleted: Sequence[VersionRecord]
    aliases: Mapping[str, int]
    #: Numbers that stand for the same content on both sides once it is copied, deleted ones too.
    common: frozenset[int]


def plan_artifact(source: Registry, source_name: ArtifactName, target: Registry, target_name: ArtifactName) -> ArtifactPlan:
    """Compare the artifact on both sides.

    Raises NotFound when the source does not have it, Conflict when a number or a content is taken at the destination, UserError
    when the artifact there is of another type.
    """
    collection = source.collections.get(source_name)
    there = target.collections.find(target_name)
    if there is not None and there.type != collection.type:
        raise UserError(
            f"{target_name} at the destination has the type {there.type!r}, {source_name} has {collection.type!r}: "
            "copy it under another name"
        )
    live = sorted(source.versions.list(source_name), key=lambda version: version.number)
    old, new = source.imports.numbers(source_name), target.imports.numbers(target_name)
    taken = {found.digest: number for number, found in new.items() if found.state is VersionState.COMMITTED}
    for version in live:
        _check(version, target_name, new, taken)
    states = {number: found.state for number, found in new.items()}
    return ArtifactPlan(
        source=source_name,
        target=target_name,
        type=collection.type,
        next_number=source.imports.next_number(source_name),
        missing=[version for version in live if version.number not in states],
        present=[version for version in live if states.get(version.number) is VersionState.COMMITTED],
        deleted=[version for version in live if states.get(version.number) is VersionState.DELETED],
        aliases={alias: version.number for version in live for alias in version.aliases},
        common=frozenset(number for number in old if number not in new or new[number].digest == old[number].digest),
    )


def _check(version: VersionRecord, target: ArtifactName, there: Mapping[int, NumberedVersion], taken: Mapping[Digest, int]) -> None:
    """Raise Conflict when the version cannot be one of `target`, whose numbers and live contents those are."""
    found = there.get(version.number)
    if found is not None and found.digest != version.digest:
        raise Conflict(
            f"{target}:{version.label} at the destination has other content than {version.qualified_name}: "
            "copy the artifact under another name"
        )
    number = taken.get(version.digest, version.number)
    if number != version.number:
        raise Conflict(
            f"the content of {version.qualified_name} is at the destination already, as {target}:{format_version_label(number)}: "
            "copy the artifact under another name"
        )
