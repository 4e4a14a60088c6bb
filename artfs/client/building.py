"""The half of `Artifact` that builds: files and references in, before it is logged.

Content is taken in at the moment of the call: what happens to the source afterwards does not matter. Of a reference, what
identifies its content is taken, and the content is left where it is. Several threads may add to one artifact at the same time.
"""

from __future__ import annotations

import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from artfs.client.core import Core
from artfs.client.entry import ArtifactEntry, entry_of
from artfs.client.notices import notice, secret_warning
from artfs.client.progress import show_found, show_progress
from artfs.client.session import SESSION
from artfs.content.walk import walk_directory
from artfs.errors import SourceNotReadable, TypeNotValid, UserError
from artfs.model.entry import Entry, directory_entry
from artfs.model.names import normalise_path
from artfs.references.references import DEFAULT_MAX_OBJECTS
from artfs.references.uri import check_uri, has_secret, origin_of

StrPath = str | os.PathLike[str]
#: What was written to `new_file` goes through memory up to so many bytes.
_IN_MEMORY = 8 << 20
_WRITE_MODES = ("w", "wb", "x", "xb", "wt", "w+", "w+b", "wb+")


class Building(ABC):
    """Adds files and references to an artifact, and removes them again."""

    _core: Core

    @abstractmethod
    def _fetch(self, path: str, root: StrPath | None) -> str:
        """Download one file of the version; its local path. What `Entry.download` calls."""

    def add_file(  # noqa: PLR0917  the order of the parameters is that of the API this one follows
        self,
        local_path: StrPath,
        name: StrPath | None = None,
        is_tmp: bool | None = False,  # noqa: ARG002
        skip_cache: bool | None = False,  # noqa: ARG002
        policy: str | None = "mutable",  # noqa: ARG002
        overwrite: bool = False,
    ) -> ArtifactEntry:
        """Add one file, under `name` (default: its own name). Its content is taken now.

        The same content at the same path again does nothing; other content there is refused unless `overwrite`. `is_tmp`,
        `skip_cache` and `policy` are taken for compatibility and have no effect.

        Raises SourceNotReadable (a ValueError) if there is no such file, NameNotValid (a ValueError) for a path that cannot be,
        ReadOnly after the artifact was logged.

            artifact.add_file("bicycle-data.h5")
            artifact.add_file("out/model.h5", name="models/best.h5")
        """
        source = _local(local_path)
        if not source.is_file():
            raise SourceNotReadable(f"{os.fspath(local_path)!r} is not a file: pass a file, or a directory to add_dir()")
        path = _path(source.name if name is None else name)
        entry = self._core.draft.add_file(source, path, SESSION.current_config(), overwrite=overwrite)
        return ArtifactEntry(entry, self._fetch)

    def add_dir(
        self,
        local_path: StrPath,
        name: StrPath | None = None,
        skip_cache: bool | None = False,  # noqa: ARG002
        policy: str | None = "mutable",  # noqa: ARG002
        *,
        overwrite: bool = False,
    ) -> None:
        """Add all files below a directory, hidden ones too, with their paths below it; under `name` if given.

        Symlinks are followed, empty directories kept. With `overwrite`, files take the place of other content at their paths. All
        is added or, when something is refused, nothing. Raises as `add_file`, and SourceNotReadable if there is no such directory.

            artifact.add_dir("images")                # images/cat.png becomes cat.png
            artifact.add_dir("images", name="train")  # and here train/cat.png
        """
        root = _local(local_path)
        if not root.is_dir():
            raise SourceNotReadable(f"{os.fspath(local_path)!r} is not a directory: pass a directory, or a file to add_file()")
        prefix = f"{_path(name)}/" if name else ""
        self._core.draft.check_open()
        found = walk_directory(root)
        files = [(normalise_path(prefix + path), source) for path, source in found.files]
        directories = [directory_entry(normalise_path(prefix + path)) for path in found.empty_directories]
        with show_progress(f"adding {root.name}", total=None) as on_progress:
            self._core.draft.add_files(files, directories, SESSION.current_config(), on_progress, overwrite=overwrite)

    def add_reference(
        self,
        uri: StrPath | ArtifactEntry,
        name: StrPath | None = None,
        checksum: bool = True,
        max_objects: int | None = None,
        *,
        overwrite: bool = False,
    ) -> list[ArtifactEntry]:
        """Add what is at a URI and leave its bytes there; returns an entry for each object that it leads to.

        `http(s)://`, `s3://`, `gs://` and `file://` are fetched when they are read; of any other scheme only the URI is kept, and
        needs a `name`. A directory or a prefix adds all below it: at most `max_objects`, default 10 000. `name` is the path in the
        artifact of one object (default: its own name), and the directory of several. What identifies the content is recorded (its
        size, ETag or digest, and version), so that nothing else is ever read in its place; with `checksum=False` nobody is asked
        and the URI alone counts. With `overwrite`, they take the place of other content at their paths. All is added or, when
        something is refused, nothing.

        Raises NotFound (a LookupError and ValueError) when nothing is there, UserError (a ValueError) for a plain path, a URI or
        name that cannot be and for more objects than that, AccessDenied (a PermissionError) and ReferenceUnavailable when the home
        refuses or does not answer, ReadOnly after the artifact was logged.

            artifact.add_reference("s3://bikes/images", name="train")  # s3://bikes/images/cat.png becomes train/cat.png
            artifact.add_reference("file:///mnt/data/bikes.csv")
        """
        draft = self._core.draft
        draft.check_open()
        path = _path(name) if name else None
        if isinstance(uri, ArtifactEntry):
            entry = entry_of(uri)
            uri.ref()  # raises for a file whose bytes are in the store
            return self._show(draft.add_references([entry.at(path or entry.path)], overwrite=overwrite))
        text = _uri(uri)
        limit = DEFAULT_MAX_OBJECTS if max_objects is None else max_objects
        references = SESSION.repository(SESSION.current_config()).references
        with show_found(f"looking at {origin_of(text)}") as on_progress:
            found = references.find(text, name=path, checksum=bool(checksum), max_objects=limit, on_progress=on_progress)
        added = draft.add_references(found, overwrite=overwrite)
        if has_secret(text):
            notice(secret_warning(text))
        return self._show(added)

    @contextmanager
    def new_file(self, name: StrPath, mode: str = "w", encoding: str | None = None) -> Iterator[IO[Any]]:
        """Write a new file of the artifact; it is added when the block ends, and not when an exception ends it.

        `mode` is `w` for text (UTF-8, or `encoding`) or `wb` for bytes. Raises NameNotValid (a ValueError) if there is a file of
        that name, ReadOnly after the artifact was logged.

            with artifact.new_file("hello.txt") as file:
                file.write("hello!")
        """
        if mode not in _WRITE_MODES:
            raise UserError(f"new_file() writes, so its mode is 'w' or 'wb', not {mode!r}")
        path = _path(name)
        draft = self._core.draft
        draft.reserve(path)
        try:
            with tempfile.TemporaryDirectory(prefix="artfs-") as folder:
                source = Path(folder, "content")
                text_encoding = None if "b" in mode else encoding or "utf-8"
                with source.open(mode, encoding=text_encoding) as file:
                    yield file
                if source.stat().st_size <= _IN_MEMORY:
                    draft.add_bytes(source.read_bytes(), path, SESSION.current_config(), time.time_ns())
                else:
                    draft.add_file(source, path, SESSION.current_config(), overwrite=False)
        finally:
            draft.release(path)

    def remove(self, item: StrPath | ArtifactEntry) -> None:
        """Remove a file, or a directory with all below it. Raises EntryNotFound (a KeyError) when there is nothing at that path."""
        self._core.draft.remove(item.path if isinstance(item, ArtifactEntry) else _path(item))

    def finalize(self) -> None:
        """Make the content final: adding raises from now on. Logging does this by itself."""
        self._core.draft.close()

    def _show(self, entries: Iterable[Entry]) -> list[ArtifactEntry]:
        return [ArtifactEntry(entry, self._fetch) for entry in entries]


def _path(path: StrPath) -> str:
    return normalise_path(os.fspath(path) if isinstance(path, os.PathLike) else path)


def _uri(uri: StrPath) -> str:
    if isinstance(uri, os.PathLike):
        raise UserError(
            f"{os.fspath(uri)!r} is a path, not a URI: write {Path(uri).absolute().as_uri()!r}, or add_file() to store it"
        )
    return check_uri(uri)


def _local(path: StrPath) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeNotValid(f"a local path must be text or a Path, not {type(path).__name__}")
    return Path(path)
