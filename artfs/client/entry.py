"""One file of an artifact, as a script sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from artfs.content.manifests import Manifest
from artfs.errors import EntryNotFound, NameNotValid, UserError
from artfs.model.digest import format_digest
from artfs.model.entry import Entry, Kind
from artfs.model.names import normalise_path

#: Puts the file at a path of the version into a folder (None is the default one); returns where it is then.
FetchFile = Callable[[str, "str | os.PathLike[str] | None"], str]


class ArtifactEntry:
    """A file of an artifact: `artifact.get_path("images/cat.png")`.

    Attributes: `path` in the artifact, `size` in bytes, `digest` (BLAKE3 of its bytes, 64 hexadecimal digits, as `b3sum` prints
    it).
    """

    def __init__(self, entry: Entry, fetch: FetchFile) -> None:
        self._entry = entry
        self._fetch = fetch

    @property
    def path(self) -> str:
        return self._entry.path

    @property
    def name(self) -> str:
        """The path in the artifact."""
        return self._entry.path

    @property
    def size(self) -> int:
        return self._entry.size

    @property
    def digest(self) -> str:
        return format_digest(self._entry.digest)

    def download(self, root: str | os.PathLike[str] | None = None, skip_cache: bool | None = None) -> str:  # noqa: ARG002
        """Fetch this file only; returns its path, `root` (default `./artifacts/NAME:vN`) with the path in the artifact below it.

        A file that is right already is not touched. `skip_cache` is taken for compatibility and has no effect.
        Raises NotLogged before the artifact is logged, IntegrityError when the stored bytes are damaged.
        """
        return self._fetch(self._entry.path, root)

    def ref(self) -> str:
        """The URI of the content. Raises UserError (a ValueError) for a file whose bytes are in the store."""
        if self._entry.reference is None:
            raise UserError(f"{self._entry.path!r} is a file of the artifact itself, not a reference: use download()")
        return self._entry.reference.uri

    def ref_target(self) -> str:
        """The same as `ref()`."""
        return self.ref()

    def __repr__(self) -> str:
        return f"<ArtifactEntry {self.path!r}, {self.size} bytes>"


class ManifestView(Mapping[str, ArtifactEntry]):
    """The files of a version by path, in order: a mapping that reads what is asked for, however many there are."""

    def __init__(self, manifest: Manifest, fetch: FetchFile) -> None:
        self._manifest = manifest
        self._fetch = fetch

    @property
    def entries(self) -> ManifestView:
        """The mapping itself, for code that says `artifact.manifest.entries`."""
        return self

    def __getitem__(self, path: object) -> ArtifactEntry:
        entry = self._find(path)
        if entry is None or entry.kind is Kind.DIRECTORY:
            raise EntryNotFound(f"the version has no file {path!r}")
        return ArtifactEntry(entry, self._fetch)

    def __iter__(self) -> Iterator[str]:
        return (entry.path for entry in self._iter_files())

    def __len__(self) -> int:
        return sum(1 for _ in self._iter_files())

    def values(self) -> Any:
        # The mixin would look every path up again.
        return [ArtifactEntry(entry, self._fetch) for entry in self._iter_files()]

    def items(self) -> Any:
        return [(entry.path, ArtifactEntry(entry, self._fetch)) for entry in self._iter_files()]

    def iter_entries(self) -> Iterator[ArtifactEntry]:
        return (ArtifactEntry(entry, self._fetch) for entry in self._iter_files())

    def _find(self, path: object) -> Entry | None:
        """What is at `path`, spelled in any way that could have added it."""
        if not isinstance(path, (str, os.PathLike)):
            return None
        try:
            return self._manifest.get(normalise_path(os.fspath(path)))
        except NameNotValid:  # nothing can be there
            return None

    def _iter_files(self) -> Iterator[Entry]:
        return (entry for entry in self._manifest.iter_entries() if entry.kind is not Kind.DIRECTORY)
