"""What is known of one artifact, as a value and as JSON (`known_files` says where). No I/O; not for several threads at once.

{"format": 1, "artifact": [entity, project, name], "collection": {...} or null,
 "versions": [{"number": 3, ...}], "aliases": {"latest": [3, "when it was last seen there"]}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from artfs.model.chunk_list import decode_chunk_ref, encode_chunk_ref
from artfs.model.digest import Digest
from artfs.model.names import ArtifactName, check_alias, check_artifact_name, check_entity, check_project, parse_version_label
from artfs.model.records import CollectionRecord, VersionRecord, VersionState

_FORMAT = 1
_DIGEST_DIGITS = 64


@dataclass(slots=True)
class KnownArtifact:
    """Versions by number, those noted last at the end; and which number each alias stood on, and when that was seen."""

    artifact: ArtifactName
    collection: CollectionRecord | None = None
    versions: dict[int, VersionRecord] = field(default_factory=dict)
    aliases: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def note(self, record: VersionRecord, selectors: Iterable[str], now: datetime, noted_again: timedelta) -> bool:
        """Remember a version, and the names it was found by. True if that changed something worth keeping."""
        bare = replace(record, aliases=())  # which alias stands where is noted once, with its time
        before = self.versions.pop(record.number, None)
        if before is not None and before.digest != record.digest:
            # A number never means other content (I2): this is another registry at the same address.
            self.collection = None
            self.versions.clear()
            self.aliases.clear()
        changed = before != bare
        self.versions[record.number] = bare
        for alias in {*record.aliases, *(name for name in selectors if parse_version_label(name) is None)}:
            number, seen_at = self.aliases.get(alias, (-1, now))
            if number != record.number or now - seen_at >= noted_again:
                self.aliases[alias] = (record.number, now)
                changed = True
        for alias in [alias for alias, (number, _) in self.aliases.items() if number == record.number]:
            if alias not in record.aliases:
                del self.aliases[alias]
                changed = True
        return changed

    def note_remembered(self, record: VersionRecord, now: datetime) -> bool:
        """Remember a version that was not seen just now, where none is known: others may have seen later where aliases stand."""
        if record.number in self.versions:
            return False
        self.versions[record.number] = replace(record, aliases=())
        for alias in record.aliases:
            self.aliases.setdefault(alias, (record.number, now))
        return True

    def note_all(self, records: Iterable[VersionRecord], now: datetime, noted_again: timedelta) -> bool:
        """These are all versions there are: which of those remembered are gone, and which aliases stand on the others."""
        there = {record.number: record for record in records}
        changed = False
        for number in list(self.versions):
            if number in there:
                changed |= self.note(there[number], (), now, noted_again)
            else:
                changed |= self.versions.pop(number, None) is not None
        return changed

    def note_collection(self, collection: CollectionRecord) -> bool:
        changed = self.collection != collection
        self.collection = collection
        return changed

    def drop(self, selector: str) -> bool:
        """The name means nothing any more."""
        number = parse_version_label(selector)
        if number is None:
            return self.aliases.pop(selector, None) is not None
        return self.versions.pop(number, None) is not None

    def find(self, selector: str) -> tuple[VersionRecord, datetime | None] | None:
        """The version that the name meant, and when an alias was last seen there."""
        number, seen_at = parse_version_label(selector), None
        if number is None:
            number, seen_at = self.aliases.get(selector, (-1, None))
        return (self.with_aliases(number), seen_at) if number in self.versions else None

    def with_aliases(self, number: int) -> VersionRecord:
        """The version with the aliases that were seen on it last."""
        return replace(self.versions[number], aliases=tuple(sorted(name for name, (at, _) in self.aliases.items() if at == number)))

    def collection_or_guess(self) -> CollectionRecord | None:
        """The collection, or what its versions tell of it."""
        if self.collection is not None or not self.versions:
            return self.collection
        oldest = self.versions[min(self.versions)]
        return CollectionRecord(oldest.collection_id, self.artifact, oldest.type, oldest.created_at, len(self.versions))

    def shrink(self, most: int) -> None:
        """Forget the versions noted first."""
        for number in list(self.versions)[: max(len(self.versions) - most, 0)]:
            del self.versions[number]
        self.aliases = {name: seen for name, seen in self.aliases.items() if seen[0] in self.versions}


def encode_known(known: KnownArtifact) -> bytes:
    collection = known.collection
    value = {
        "format": _FORMAT,
        "artifact": [known.artifact.entity, known.artifact.project, known.artifact.name],
        "collection": None
        if collection is None
        else {
            "id": collection.id,
            "type": collection.type,
            "created_at": collection.created_at.isoformat(),
            "version_count": collection.version_count,
        },
        "versions": [_version_form(record) for record in known.versions.values()],
        "aliases": {name: [number, seen_at.isoformat()] for name, (number, seen_at) in known.aliases.items()},
    }
    return json.dumps(value, separators=(",", ":")).encode()


def _version_form(record: VersionRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "collection_id": record.collection_id,
        "type": record.type,
        "number": record.number,
        "digest": record.digest.hex(),
        "manifest": encode_chunk_ref(record.manifest).hex(),
        "size": record.size,
        "file_count": record.file_count,
        "description": record.description,
        "metadata": dict(record.metadata),
        "created_at": record.created_at.isoformat(),
    }


def decode_known(data: bytes) -> KnownArtifact:
    """The value in `data`. Raises ValueError, RecursionError or an ArtfsError for what is none."""
    value = _expect(json.loads(data), dict)
    if value.get("format") != _FORMAT:
        raise ValueError("it has another format")
    names = [_expect(name, str) for name in _expect(value.get("artifact"), list)]
    if len(names) != 3:
        raise ValueError("it names no artifact")
    artifact = ArtifactName(check_entity(names[0]), check_project(names[1]), check_artifact_name(names[2]))
    versions = [_read_version(_expect(form, dict), artifact) for form in _expect(value.get("versions"), list)]
    aliases: dict[str, tuple[int, datetime]] = {}
    for name, seen in _expect(value.get("aliases"), dict).items():
        number, seen_at = _expect(seen, list)
        aliases[check_alias(name)] = (_count(number), _time(seen_at))
    form = value.get("collection")
    collection = None if form is None else _read_collection(_expect(form, dict), artifact)
    return KnownArtifact(artifact, collection, {record.number: record for record in versions}, aliases)


def _read_collection(form: dict[str, Any], artifact: ArtifactName) -> CollectionRecord:
    return CollectionRecord(
        id=_count(form.get("id")),
        artifact=artifact,
        type=_expect(form.get("type"), str),
        created_at=_time(form.get("created_at")),
        version_count=_count(form.get("version_count")),
    )


def _read_version(form: dict[str, Any], artifact: ArtifactName) -> VersionRecord:
    digest = _expect(form.get("digest"), str)
    if len(digest) != _DIGEST_DIGITS:
        raise ValueError("it has a digest of another length")
    description = form.get("description")
    return VersionRecord(
        id=_count(form.get("id")),
        collection_id=_count(form.get("collection_id")),
        artifact=artifact,
        type=_expect(form.get("type"), str),
        number=_count(form.get("number")),
        digest=Digest(bytes.fromhex(digest)),
        manifest=decode_chunk_ref(bytes.fromhex(_expect(form.get("manifest"), str))),
        size=_count(form.get("size")),
        file_count=_count(form.get("file_count")),
        description=None if description is None else _expect(description, str),
        metadata=_expect(form.get("metadata"), dict),
        state=VersionState.COMMITTED,
        created_at=_time(form.get("created_at")),
        aliases=(),
    )


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"it has {type(value).__name__} in the place of {kind.__name__}")  # noqa: TRY004 - damage
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError("it has a number out of range")
    return value


def _time(value: Any) -> datetime:
    found = datetime.fromisoformat(_expect(value, str))
    if found.tzinfo is None:
        raise ValueError("it has a time without a zone")
    try:
        return found.astimezone(UTC)
    except OverflowError:  # no ValueError
        raise ValueError("it has a time out of range") from None
