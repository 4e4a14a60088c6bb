"""One file of an artifact, as a script sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from artfs.content.manifests import Manifest
from artfs.errors import EntryNotFound, NameNotValid, UserError
from artfs.model.counted import counted
from artfs.model.digest import format_digest
from artfs.model.entry import Entry, Kind
from artfs.model.names import normalise_path
from artfs.references.uri import shown_uri

#: Puts the file at a path of the version into a folder (None is the default one); returns where it is then.
FetchFile = Callable[[str, "str | os.PathLike[str] | None"], str]


class ArtifactEntry:
    """A file of an artifact: `artifact.get_path("images/cat.png")`.

    Attributes: `path` in the artifact, `size` in bytes, `digest` (BLAKE3 of its bytes, 64 hexadecimal digits, as `b3sum` prints
    it). Of a reference, the digest is that of what identifies its content, and the size None where nobody has asked for it.
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
    def size(self) -> int | None:
        reference = self._entry.reference
        return self._entry.size if reference is None else reference.size

    @property
    def digest(self) -> str:
        return format_digest(self._entry.digest)

    @property
    def is_reference(self) -> bool:
        """True if the bytes are not in the store, but at `ref()`."""
        return self._entry.reference is not None

    def download(self, root: str | os.PathLike[str] | None = None, skip_cache: bool | None = None) -> str:  # noqa: ARG002
        """Fetch this file only; returns its path, `root` (default `./artifacts/NAME:vN`) with the path in the artifact below it.

        A file that is right already is not touched. `skip_cache` is taken for compatibility and has no effect.
        Raises NotLogged before the artifact is logged, IntegrityError when the stored bytes are damaged; of a reference, as
        `Artifact.download`.
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
        size = "unknown size" if self.size is None else counted(self.size, "byte")
        home = f", at {shown_uri(self._entry.reference.uri)}" if self._entry.reference else ""
        return f"<ArtifactEntry {self.path!r}, {size}{home}>"


def entry_of(shown: ArtifactEntry) -> Entry:
    """What is behind an entry, for artifacts that take it in."""
    return shown._entry  # noqa: SLF001


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
