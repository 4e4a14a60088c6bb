"""The version that a staging directory lies over, and the file `base.json` that remembers which one it is.

`base.json` is `{"format": 1, "entity", "project", "artifact", "number", "version_id"}`. Any thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from artfs.errors import IntegrityError, NotFound
from artfs.model.entry import Entry
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord
from artfs.vfs.staging.layout import UPPER

FORMAT = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BaseTree(Protocol):
    """What staging asks of a manifest. Paths are those of the version; '' is its root."""

    def get(self, path: str) -> Entry | None:
        """The entry at `path`, of any kind."""
        ...

    def list(self, directory: str = "") -> list[Entry]:
        """The entries directly in `directory`."""
        ...

    def iter_entries(self, under: str = "") -> Iterator[Entry]:
        """All entries below `under`."""
        ...


class FileReader(Protocol):
    """What staging asks of the content reader."""

    def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """Bytes of the file, fewer than `length` only at its end."""
        ...

    def copy_to(self, entry: Entry, file: int, *, is_scratch: bool = False) -> None:
        """Write the whole file to a descriptor, where it stands; `is_scratch` if the file is thrown away when that fails."""
        ...

    def size(self, entry: Entry) -> int:
        """Bytes in the file. Asks the server of a reference of which no size was recorded."""
        ...

    def known_size(self, entry: Entry) -> int | None:
        """The same without asking; None while that would be needed."""
        ...


@dataclass(frozen=True, slots=True)
class BaseVersion:
    """A version as staging sees it: its record, its tree, and how to read its files."""

    record: VersionRecord
    tree: BaseTree
    reader: FileReader

    @property
    def directory_mtime_ns(self) -> int:
        """Directories have no time in a version: they show that of the version."""
        age = self.record.created_at - _EPOCH
        return (age.days * 86_400 + age.seconds) * 1_000_000_000 + age.microseconds * 1000


@dataclass(frozen=True, slots=True)
class BaseNote:
    """What `base.json` says."""

    artifact: ArtifactName
    number: int
    version_id: int


def base_was_deleted(label: str, folder: Path) -> NotFound:
    """The error for a staging directory in `folder` whose base `label` is no more: its owner needs to know where the bytes are."""
    return NotFound(
        f"{label}, the base of the staging directory {folder.name!r}, was deleted:"
        f" copy what was written since from {folder / UPPER}, then remove {folder}"
    )


def encode_base_note(record: VersionRecord) -> bytes:
    return json.dumps(
        {
            "format": FORMAT,
            "entity": record.artifact.entity,
            "project": record.artifact.project,
            "artifact": record.artifact.name,
            "number": record.number,
            "version_id": record.id,
        }
    ).encode()


def read_base_note(path: Path) -> BaseNote | None:
    """What the file says, or None without one. Raises IntegrityError when it is no such file."""
    try:
        fields = json.loads(path.read_bytes())
        if fields["format"] != FORMAT:
            raise IntegrityError(f"{path} has format {fields['format']!r}; this artfs reads format {FORMAT}")
        artifact = ArtifactName(str(fields["entity"]), str(fields["project"]), str(fields["artifact"]))
        return BaseNote(artifact, int(fields["number"]), int(fields["version_id"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path} does not say which version the staging directory lies over: {error!r}") from error
