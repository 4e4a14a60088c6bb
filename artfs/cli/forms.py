"""Records as JSON: the stable, documented keys of `--json`.

Sizes are bytes, times ISO 8601 in UTC, digests hexadecimal; a value that is not known is null, never missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from artfs.cli.output import Size, format_time, is_terminal
from artfs.model.digest import NO_DIGEST, format_digest
from artfs.model.entry import Entry, Kind, Reference
from artfs.model.records import CollectionRecord, RunRecord, VersionRecord
from artfs.references.changed import recorded_digest

#: Digits of a digest that people compare.
_SHORT_DIGEST = 12


def collection_form(collection: CollectionRecord, latest: VersionRecord | None) -> dict[str, Any]:
    return {
        **_artifact(collection),
        "type": collection.type,
        "version_count": collection.version_count,
        "latest": latest.label if latest else None,
        "size": latest.size if latest else None,
        "file_count": latest.file_count if latest else None,
        "created_at": format_time(collection.created_at),
    }


def _artifact(record: CollectionRecord | VersionRecord) -> dict[str, str]:
    return {"entity": record.artifact.entity, "project": record.artifact.project, "artifact": record.artifact.name}


def version_form(version: VersionRecord) -> dict[str, Any]:
    return {
        **_artifact(version),
        "name": version.name,
        "version": version.label,
        "type": version.type,
        "aliases": list(version.aliases),
        "digest": format_digest(version.digest),
        "size": version.size,
        "file_count": version.file_count,
        "description": version.description,
        "metadata": dict(version.metadata),
        "created_at": format_time(version.created_at),
    }


def shown_version_form(
    version: VersionRecord, producers: Sequence[RunRecord] | None, consumers: Sequence[RunRecord] | None
) -> dict[str, Any]:
    """A version with the runs around it: `producer` is the first that logged it. None: they are not known."""
    return {
        **version_form(version),
        "producer": run_form(producers[0]) if producers else None,
        "producers": None if producers is None else [run_form(run) for run in producers],
        "consumers": None if consumers is None else [run_form(run) for run in consumers],
    }


def run_form(run: RunRecord) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "entity": run.entity,
        "project": run.project,
        "job_type": run.job_type,
        "group": run.group,
        "state": run.state.value,
        "config": dict(run.config),
        "created_at": format_time(run.created_at),
        "finished_at": format_time(run.finished_at) if run.finished_at else None,
    }


def entry_form(entry: Entry) -> dict[str, Any]:
    is_directory = entry.kind is Kind.DIRECTORY
    size = size_of(entry)
    return {
        "path": entry.path,
        "kind": entry.kind.name.lower(),
        "size": None if size is None else size.size,
        "executable": entry.executable,
        "modified_at": None if is_directory else format_time(modified_at(entry)),
        "digest": None if entry.digest == NO_DIGEST else format_digest(entry.digest),
        "target": entry.target or None,
        "uri": entry.reference.uri if entry.reference else None,
        "etag": entry.reference.etag if entry.reference else None,
        "version_id": entry.reference.version_id if entry.reference else None,
    }


def size_of(entry: Entry) -> Size | None:
    """The bytes of what is no directory; None for a reference whose home was never asked."""
    unknown = entry.reference is not None and entry.reference.size is None
    return None if unknown or entry.kind is Kind.DIRECTORY else Size(entry.size)


def describe_pin(reference: Reference) -> str | None:
    """What has to be the same for the content to be the same, in words; None where only the URI counts."""
    digest = recorded_digest(reference)
    facts = [f"ETag {reference.etag}"] if reference.etag is not None else []
    if digest is not None:
        facts = [f"digest {shown_digest(digest)}"]
    facts += [f"version {reference.version_id}"] if reference.version_id is not None else []
    return ", ".join(facts) or None


def shown_digest(digest: str) -> str:
    """A digest in hexadecimal: its beginning for people, whole for programs."""
    return f"{digest[:_SHORT_DIGEST]}…" if is_terminal(sys.stdout) else digest


def modified_at(entry: Entry) -> datetime:
    """The time of the entry's content, to the microsecond."""
    seconds, nanoseconds = divmod(entry.mtime_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)
