"""All staging directories of a user: which there are, making, opening, renaming and removing them.

Opening one twice gives the same object while it is open, as two would keep each other from changing it. Thread-safe; other
processes may make and remove staging directories at any time, and are seen at the next call.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import threading
from collections.abc import Iterator
from pathlib import Path

from artfs.errors import Conflict, NotFound, UserError
from artfs.model.names import ArtifactName, VersionName, format_version_label
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository
from artfs.vfs.staging.base_version import BaseVersion, base_was_deleted, read_base_note
from artfs.vfs.staging.directory import StagingDirectory
from artfs.vfs.staging.folder import (
    BASE_NOTE,
    OPTIONS_SUFFIX,
    artifact_folder,
    check_staging_name,
    is_staging_name,
    make_folder,
    options_path,
    rename_folder,
    throw_away,
)
from artfs.vfs.staging.layout import os_error
from artfs.vfs.staging.options import StagingOptions, parse_options, read_options


class StagingStore:
    """The staging directories below `root`, over versions of `repository`."""

    def __init__(self, root: Path, repository: Repository) -> None:
        self._root = root
        self._repository = repository
        self._open: dict[Path, StagingDirectory] = {}
        self._lock = threading.Lock()

    def _rows(self, artifact: ArtifactName) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield from artifact_folder(self._root, artifact).iterdir()

    def list(self, artifact: ArtifactName) -> list[str]:
        """The names of the staging directories of an artifact, sorted."""
        return sorted(path.name for path in self._rows(artifact) if is_staging_name(path.name) and path.is_dir())

    def list_options(self, artifact: ArtifactName) -> builtins.list[str]:
        """The names of options files (`NAME.json`), sorted; not each has a staging directory (yet)."""
        return sorted(path.name for path in self._rows(artifact) if self._is_options_name(path.name))

    @staticmethod
    def _is_options_name(name: str) -> bool:
        return name.endswith(OPTIONS_SUFFIX) and is_staging_name(name.removesuffix(OPTIONS_SUFFIX))

    def has(self, artifact: ArtifactName, name: str) -> bool:
        return is_staging_name(name) and self._folder(artifact, name).is_dir()

    def create(self, artifact: ArtifactName, name: str, base: VersionRecord | None = None) -> StagingDirectory:
        """Make a staging directory, empty or over `base`. AlreadyExists when the name is taken."""
        if base is not None and base.artifact.entity != artifact.entity:
            raise UserError(f"{base.qualified_name} cannot be the base of a staging directory of {artifact}: other entity")
        folder = self._folder(artifact, check_staging_name(name))
        make_folder(folder, base)
        return self.open(artifact, name)

    def open(self, artifact: ArtifactName, name: str) -> StagingDirectory:
        """The staging directory of that name. NotFound when there is none, or its base was deleted meanwhile."""
        folder = self._folder(artifact, check_staging_name(name))
        with self._lock:
            directory = self._open.get(folder)
        if directory is not None and directory.is_current():
            return directory
        if not folder.is_dir():
            raise NotFound(f"there is no staging directory {name!r} of {artifact}: make it with mkdir or `artfs stage`")
        opened = StagingDirectory(folder, artifact, self._base(folder))
        with self._lock:
            other = self._open.get(folder)
            if other is not None and other.is_current():
                opened.close()
                return other
            self._open[folder] = opened
        if other is not None:
            other.close()
        return opened

    def _base(self, folder: Path) -> BaseVersion | None:
        note = read_base_note(folder / BASE_NOTE)
        if note is None:
            return None
        name = VersionName(note.artifact, format_version_label(note.number))
        try:
            record = self._repository.names.version(name)  # as it is known, where the registry cannot be reached: I2
        except NotFound as error:
            raise base_was_deleted(str(name), folder) from error
        if record.id != note.version_id:
            raise Conflict(f"the staging directory {folder.name!r} lies over {name}, which is another registry's: use that one")
        return BaseVersion(record, self._repository.manifest(record), self._repository.reader)

    def remove(self, artifact: ArtifactName, name: str, *, force: bool = False) -> None:
        """Remove a staging directory and its options. ENOTEMPTY unless nothing is in it, or with `force`.

        With `force` also one whose base was deleted.
        """
        folder = self._folder(artifact, check_staging_name(name))
        with self._opened_to_remove(artifact, name, force=force) as directory, directory.frozen():
            if not force and directory.list(""):
                raise os_error(errno.ENOTEMPTY, name)
            throw_away(folder)
        self._drop(folder)

    @contextlib.contextmanager
    def _opened_to_remove(self, artifact: ArtifactName, name: str, *, force: bool) -> Iterator[StagingDirectory]:
        try:
            directory = self.open(artifact, name)
        except NotFound:
            folder = self._folder(artifact, name)
            if not force or not folder.is_dir():
                raise
            # Its base is gone: nothing may be shown of it, but it may be locked and thrown away.
            directory = StagingDirectory(folder, artifact)
            try:
                yield directory
            finally:
                directory.close()
        else:
            yield directory

    def rename(self, artifact: ArtifactName, old: str, new: str) -> StagingDirectory:
        """Give a staging directory another name; its options go along. AlreadyExists when `new` is taken."""
        folder, renamed = self._folder(artifact, check_staging_name(old)), self._folder(artifact, check_staging_name(new))
        directory = self.open(artifact, old)
        if old == new:
            return directory
        with directory.frozen():
            rename_folder(folder, renamed)
        self._drop(folder)
        return self.open(artifact, new)

    def _drop(self, folder: Path) -> None:
        with self._lock:
            directory = self._open.pop(folder, None)
        if directory is not None:
            directory.close()

    def close(self) -> None:
        """Let go of all staging directories."""
        with self._lock:
            directories = list(self._open.values())
            self._open.clear()
        for directory in directories:
            directory.close()

    def options_path(self, artifact: ArtifactName, name: str) -> Path:
        """The host path of `NAME.json`, which is an ordinary file; its folder is made if need be."""
        path = options_path(self._folder(artifact, check_staging_name(name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def get_options(self, artifact: ArtifactName, name: str) -> StagingOptions:
        """What `NAME.json` says; UserError when it makes no sense."""
        return read_options(self.options_path(artifact, name))

    def put_options(self, artifact: ArtifactName, name: str, text: bytes) -> None:
        """Write `NAME.json` in one step, if it makes sense."""
        path = self.options_path(artifact, name)
        parse_options(text, path.name)
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(text)
        new.rename(path)

    def _folder(self, artifact: ArtifactName, name: str) -> Path:
        return artifact_folder(self._root, artifact) / name
