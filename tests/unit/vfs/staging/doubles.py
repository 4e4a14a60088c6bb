"""A base version in memory, hosts that count or break, and staging directories made of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from artfs.model.digest import digest_of
from artfs.model.entry import (
    ChunkRef,
    Entry,
    Kind,
    LeaseId,
    Reference,
    directory_entry,
    make_pack_id,
    reference_entry,
    symlink_entry,
    with_parents,
)
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord, VersionState
from artfs.vfs.staging.base_version import BaseVersion
from artfs.vfs.staging.directory import StagingDirectory
from artfs.vfs.staging.host import HOST, Host
from artfs.vfs.staging.layout import BASE_MARKER, SCRATCH, UPPER, format_base_marker

ARTIFACT = ArtifactName("tester", "default", "bikes")
BASE_MTIME_NS = 1_600_000_000_123_456_789
BASE_TIME = datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC)


class Left(NamedTuple):
    """Content left at a URI; a reference that says its size or does not."""

    data: bytes
    sized: bool = True

    def entry(self, path: str) -> Entry:
        return reference_entry(path, Reference(f"s3://bucket/{path}", size=len(self.data) if self.sized else None), BASE_MTIME_NS)


BaseFiles = Mapping[str, bytes | str | Left | None]


class MemoryTree:
    """A manifest and a reader in one. Content is bytes (a trailing `*` in the path makes it executable), None an empty directory,
    text a symlink's target. `refusal` is what reading references raises."""

    def __init__(self, files: BaseFiles) -> None:
        self.calls: Counter[str] = Counter()
        self.refusal: Exception | None = None
        self.data: dict[str, bytes] = {}
        entries = []
        for path, content in files.items():
            if content is None:
                entries.append(directory_entry(path))
            elif isinstance(content, str):
                entries.append(symlink_entry(path, content, BASE_MTIME_NS))
            elif isinstance(content, Left):
                self.data[path] = content.data
                entries.append(content.entry(path))
            else:
                name = path.rstrip("*")
                self.data[name] = content
                entries.append(Entry(name, Kind.FILE, len(content), path.endswith("*"), BASE_MTIME_NS, digest_of(content)))
        self.entries = {entry.path: entry for entry in with_parents(entries)}
        self.children: dict[str, list[Entry]] = {}
        for entry in self.entries.values():
            self.children.setdefault(entry.directory, []).append(entry)

    def get(self, path: str) -> Entry | None:
        self.calls["get"] += 1
        return self.entries.get(path)

    def list(self, directory: str = "") -> list[Entry]:
        self.calls["list"] += 1
        return self.children.get(directory, [])

    def iter_entries(self, under: str = "") -> Iterator[Entry]:
        self.calls["iter_entries"] += 1
        below = under + "/" if under else ""
        return (entry for entry in self.entries.values() if entry.path == under or entry.path.startswith(below))

    def read(self, entry: Entry, offset: int, length: int) -> bytes:
        self.calls["read"] += 1
        self._check(entry)
        return self.data[entry.path][offset : offset + length]

    def copy_to(self, entry: Entry, file: int, *, is_scratch: bool = False) -> None:
        assert is_scratch
        os.write(file, self.read(entry, 0, entry.size))

    def size(self, entry: Entry) -> int:
        if self.known_size(entry) is None:
            self._check(entry)
            self.calls["ask"] += 1
        return len(self.data[entry.path]) if entry.kind is Kind.REFERENCE else entry.size

    def known_size(self, entry: Entry) -> int | None:
        if entry.reference is not None and entry.reference.size is None and not self.calls["ask"]:
            return None
        return len(self.data[entry.path]) if entry.kind is Kind.REFERENCE else entry.size

    def _check(self, entry: Entry) -> None:
        if self.refusal is not None and entry.kind is Kind.REFERENCE:
            raise self.refusal


def base_version(tree: MemoryTree) -> BaseVersion:
    manifest = ChunkRef(digest_of(b""), 1, make_pack_id(LeaseId(bytes(12)), 0), 0, 1)
    record = VersionRecord(
        id=1,
        collection_id=1,
        artifact=ARTIFACT,
        type="dataset",
        number=0,
        digest=digest_of(b""),
        manifest=manifest,
        size=0,
        file_count=0,
        description=None,
        metadata={},
        state=VersionState.COMMITTED,
        created_at=BASE_TIME,
        aliases=("latest",),
    )
    return BaseVersion(record, tree, tree)


def make_directory(folder: Path, files: BaseFiles | None = None, host: Host = HOST) -> StagingDirectory:
    """A new staging directory in `folder`, over `files` if there are any."""
    (folder / UPPER).mkdir(parents=True)
    (folder / SCRATCH).mkdir()
    if files is None:
        return StagingDirectory(folder, ARTIFACT, host=host)
    (folder / UPPER / BASE_MARKER).symlink_to(format_base_marker(""))
    return StagingDirectory(folder, ARTIFACT, base_version(MemoryTree(files)), host=host)


def put(directory: StagingDirectory, path: str, data: bytes, mode: int = 0o644) -> None:
    """Write a file as `open("wb")` does."""
    fd = directory.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def get(directory: StagingDirectory, path: str) -> bytes:
    fd = directory.open(path, os.O_RDONLY)
    with os.fdopen(fd, "rb") as file:
        return file.read()


#: kind, size, text or bytes, permission bits (not of symlinks), number of names (of files)
Node = tuple[str, int, bytes | str, int, int]


def tree_of(directory: StagingDirectory, *, read: bool = True) -> dict[str, Node]:
    """Everything that is visible in a staging directory."""
    found: dict[str, Node] = {}
    todo = [""]
    while todo:
        above = todo.pop()
        for name, row in directory.list(above):
            path = f"{above}/{name}" if above else name
            assert directory.stat(path)._replace(atime_ns=0) == row._replace(atime_ns=0)  # reading a symlink sets it
            if row.kind is Kind.DIRECTORY:
                todo.append(path)
                found[path] = ("directory", 0, "", row.mode & 0o7777, 0)
            elif row.kind is Kind.SYMLINK:
                found[path] = ("symlink", row.size, row.target or "", 0, 0)
            else:
                found[path] = ("file", row.size, get(directory, path) if read else b"", row.mode & 0o7777, row.nlink)
    return found


MUTATING = frozenset(
    {
        "open",
        "fchmod",
        "ftruncate",
        "mkdir",
        "rmdir",
        "unlink",
        "rename",
        "symlink",
        "link",
        "chmod",
        "utime",
        "exchange",
    }
)


class CountingHost(Host):
    """Counts the calls by name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name != "counts":
            self.counts[name] += 1
        return super().__getattribute__(name)


class Crash(BaseException):
    """The process dies here."""


class CrashingHost(Host):
    """Dies before its n-th change of the host file system, and does nothing any more from then on."""

    def __init__(self, last: int) -> None:
        self._left = last

    def __getattribute__(self, name: str) -> Any:
        if name in MUTATING:
            if self._left <= 0:
                raise Crash
            self._left -= 1
        return super().__getattribute__(name)
