"""The contents of `.artfs/`: a JSON file for each version, the log of an artifact, status and errors of the mount. Any thread.

While the registry cannot be reached they say what is known, and nobody who looks at them waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from artfs.errors import NotFound
from artfs.model.names import ArtifactName, VersionName, parse_version_label
from artfs.model.records import RunRecord, VersionRecord
from artfs.repository.known_names import KnownNames
from artfs.repository.repository import Repository
from artfs.vfs.information import INFORMATION_NAME, InformationDirectory
from artfs.vfs.journal import Journal
from artfs.vfs.problems import Problems
from artfs.vfs.reference_counts import ReferenceCounts
from artfs.vfs.status import MountStatus

LOG_NAME = "log"


def mount_information(status: MountStatus, problems: Problems) -> InformationDirectory:
    """`/.artfs/`"""
    files: dict[str, Callable[[], bytes]] = {"status.json": status.text, "errors": problems.text}
    return InformationDirectory(INFORMATION_NAME, lambda: list(files), files.get)


def artifact_information(
    repository: Repository, artifact: ArtifactName, where: str, journal: Journal, references: ReferenceCounts
) -> InformationDirectory:
    """`.artfs/` of an artifact."""
    known = repository.names

    def names() -> Sequence[str]:
        return [LOG_NAME, *(f"{version.label}.json" for version in reversed(_versions(known, artifact)))]

    def find(name: str) -> Callable[[], bytes] | None:
        if name == LOG_NAME:
            return partial(format_log, known, artifact, journal)
        label = name.removesuffix(".json")
        if label == name or parse_version_label(label) is None:
            return None
        try:
            version = known.version(VersionName(artifact, label))
        except NotFound:
            return None
        return partial(format_version, repository, version, references)

    return InformationDirectory(f"{where}/{INFORMATION_NAME}".lstrip("/"), names, find)


def _versions(known: KnownNames, artifact: ArtifactName) -> Sequence[VersionRecord]:
    try:
        return known.versions(artifact)
    except NotFound:  # nothing was committed yet
        return []


def format_version(repository: Repository, version: VersionRecord, references: ReferenceCounts) -> bytes:
    """`v3.json`: all that the registry knows of a version, and how many of its files are references.

    The runs are null while the registry cannot be asked for them, and `registry` then says why.
    """
    runs = repository.names.runs(version)
    producers, consumers = runs or ((), ())
    shown: dict[str, Any] = {
        "name": version.qualified_name,
        "type": version.type,
        "version": version.label,
        "number": version.number,
        "digest": version.digest.hex(),
        "size": version.size,
        "file_count": version.file_count,
        "references": references.get(repository.manifest(version)),
        "created_at": version.created_at.isoformat(),
        "aliases": list(version.aliases),
        "description": version.description,
        "metadata": dict(version.metadata),
        "producer": _run(producers[0]) if producers else None,
        "producers": None if runs is None else [_run(run) for run in producers],
        "consumers": None if runs is None else [_run(run) for run in consumers],
    }
    if runs is None:
        shown["registry"] = repository.names.state()
    return json.dumps(shown, indent=2, ensure_ascii=False, default=str).encode() + b"\n"


def _run(run: RunRecord) -> dict[str, Any]:
    return {"id": run.id, "name": run.name, "job_type": run.job_type, "project": f"{run.entity}/{run.project}"}


def format_log(known: KnownNames, artifact: ArtifactName, journal: Journal) -> bytes:
    """`log`: a JSON line for each version and for each commit through this mount, in order of time."""
    lines: list[dict[str, Any]] = [
        {
            "time": version.created_at.isoformat(),
            "event": "version",
            "version": version.label,
            "digest": version.digest.hex(),
            "size": version.size,
            "file_count": version.file_count,
            "description": version.description,
            "aliases": list(version.aliases),
        }
        for version in _versions(known, artifact)
    ]
    lines += [dict(line) for line in journal.lines(artifact)]
    lines.sort(key=lambda line: str(line["time"]))
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(errors="replace")
