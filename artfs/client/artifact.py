"""`Artifact`: a named, typed folder that is being built, or one version of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Self

from artfs.client.building import Building, StrPath
from artfs.client.core import Core
from artfs.client.display import SHOWN_FILES, Look, ShownFile, format_html, format_line
from artfs.client.entry import ArtifactEntry, ManifestView
from artfs.client.handle import Handle, check_description
from artfs.client.notices import notice
from artfs.client.objects import HoldsObjects
from artfs.client.progress import show_progress
from artfs.client.recorded_run import RecordedRun
from artfs.config import Config
from artfs.errors import ArtfsError, EntryNotFound, UserError
from artfs.model.counted import counted
from artfs.model.digest import format_digest
from artfs.model.records import RunRecord, VersionRecord
from artfs.references.uri import shown_uri
from artfs.repository.materialise import checkout, download, verify_directory

#: `verify` names so many differences, and `download` so many references that it left out.
_TOLD_DIFFERENCES = 5
_STATUS = {
    "COMMITTED": "",
    "CONTRIBUTED": "contributed, not finished",
    "DELETED": "deleted",
    "DRAFT": "not logged",
    "FAILED": "could not be logged",
    "PENDING": "being logged",
}


class Artifact(Building, HoldsObjects):
    """A named, typed folder: built with `add_file`, `add_dir`, `new_file` and `add`, logged by a run, and a version from then on.

    `name` has 1 to 128 of the characters A-Z a-z 0-9 _ . -; `type` is any text such as `dataset` or `model`, and all artifacts of
    a name have one type. `metadata` is a dict that JSON can express; it is copied. Raises NameNotValid (a ValueError) and
    TypeNotValid (a TypeError).

    What only a version has (`version`, `aliases`, `download()`, …) waits while the commit is under way, and raises NotLogged (an
    AttributeError) where there is none, or what made the commit fail.

        artifact = artfs.Artifact("bike-dataset", type="dataset", metadata={"rows": 8645})
        artifact.add_file("bicycle-data.h5")
        run.log_artifact(artifact).wait()
        print(artifact.name)  # bike-dataset:v0
    """

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002  the name of the parameter in the API this one follows
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._core = Core(name, type, Handle(description, metadata))

    @classmethod
    def from_record(cls, config: Config, record: VersionRecord) -> Self:
        """The artifact that shows a version of the registry. For the API itself; a script calls `Api().artifact()`."""
        artifact = cls.__new__(cls)
        artifact._core = Core.of_version(config, record)  # noqa: SLF001  its own class
        return artifact

    # What it is

    @property
    def name(self) -> str:
        """`bike-dataset` while it is built and under way, `bike-dataset:v3` as soon as it is a version."""
        record = self._core.settle()
        return self._core.name if record is None else record.name

    @property
    def type(self) -> str:
        return self._core.type

    @property
    def description(self) -> str | None:
        """Text for people. Of a version, a change takes effect with `save()`."""
        return self._core.handle.description

    @description.setter
    def description(self, description: str | None) -> None:
        self._core.handle.description = check_description(description)

    @property
    def metadata(self) -> dict[str, Any]:
        """A dict that can be changed in place. Of a version, changes take effect with `save()`."""
        return self._core.handle.metadata

    @metadata.setter
    def metadata(self, metadata: Mapping[str, Any] | None) -> None:
        self._core.handle.replace_metadata(metadata)

    @property
    def aliases(self) -> list[str]:
        """The movable names of this version, a list that can be changed; changes take effect with `save()`."""
        self._core.require("aliases")
        return self._core.handle.aliases

    @aliases.setter
    def aliases(self, aliases: list[str]) -> None:
        self._core.require("aliases")
        self._core.handle.aliases.replace(aliases)

    @property
    def version(self) -> str:
        """`v3`."""
        return self._core.require_known("version").label

    @property
    def entity(self) -> str:
        return self._core.require_known("entity").artifact.entity

    @property
    def project(self) -> str:
        return self._core.require_known("project").artifact.project

    @property
    def qualified_name(self) -> str:
        """`entity/project/bike-dataset:v3`."""
        return self._core.require_known("qualified name").qualified_name

    @property
    def created_at(self) -> str:
        """When the version was committed: ISO 8601, UTC."""
        return self._core.require_known("time of creation").created_at.isoformat()

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that are equal wherever the content is."""
        return format_digest(self._core.digest())

    @property
    def size(self) -> int:
        """Bytes in all files; a reference whose size nobody has asked for adds none."""
        return self._core.counts()[1]

    @property
    def file_count(self) -> int:
        return self._core.counts()[0]

    @property
    def state(self) -> str:
        """`DRAFT` while it is built, `PENDING` under way, then `COMMITTED` (or `FAILED`), and `DELETED` after `delete()`.

        `CONTRIBUTED` after `upsert_artifact()`, until it is finished.
        """
        return self._core.state

    def is_draft(self) -> bool:
        """True until it is a version."""
        return self._core.settle() is None

    def wait(self, timeout: float | None = None) -> Self:
        """Return this artifact as soon as it is a version.

        Raises what made the commit fail, TimedOut (a TimeoutError) after `timeout` seconds, NotLogged if no run was asked to log
        it.
        """
        self._core.wait(timeout)
        self._core.settle()
        return self

    # Its files

    @property
    def manifest(self) -> ManifestView:
        """The files by path, as a mapping; `manifest.entries` is the same."""
        repository, record = self._core.to_read("files to read")
        return ManifestView(repository.manifest(record), self._fetch)

    def get_path(self, name: StrPath) -> ArtifactEntry:
        """The file at a path, which is normalised as `add_file` does it. Raises EntryNotFound (a KeyError) when there is none.

        artifact.get_path("images/cat.png").download()
        """
        try:
            return self.manifest[name]
        except EntryNotFound:
            raise EntryNotFound(f"{self.name} has no file {os.fspath(name)!r}: see what it has with artifact.files()") from None

    def get_entry(self, name: StrPath) -> ArtifactEntry:
        """The same as `get_path`."""
        return self.get_path(name)

    def files(self, names: list[str] | str | None = None, per_page: int = 50) -> list[ArtifactEntry]:  # noqa: ARG002
        """All files in order, or those at the paths `names`. `per_page` is taken for compatibility and has no effect."""
        if names is None:
            return list(self.manifest.iter_entries())
        return [self.get_path(name) for name in ([names] if isinstance(names, str) else names)]

    def file(self, root: StrPath | None = None) -> str:
        """Fetch the only file of this version, as `ArtifactEntry.download`; returns its path.

        Raises UserError (a ValueError) unless there is exactly one.
        """
        record = self._core.require("file to download")
        if record.file_count != 1:
            raise UserError(f"{record.name} has {record.file_count} files: use download(), or get_path() for one of them")
        return next(self.manifest.iter_entries()).download(root)

    def download(
        self,
        root: StrPath | None = None,
        path_prefix: StrPath | None = None,
        skip_cache: bool | None = None,  # noqa: ARG002
        multipart: bool | None = None,  # noqa: ARG002
        allow_missing_references: bool = False,
    ) -> str:
        """Make a directory hold the files of this version; returns its path.

        `root` is the directory, default `./artifacts/NAME:vN`. Files that are right already are not touched, wrong ones are
        replaced, other files stay. With `path_prefix`, only what is at or below it. `skip_cache` and `multipart` have no effect.
        References are fetched from where they are. With `allow_missing_references` those that are gone, forbidden or not what was
        recorded are left out, with a notice.

        Raises IntegrityError when stored bytes are damaged (nothing wrong is left behind), EntryNotFound when nothing has that
        prefix; for references ReferenceChanged (an IntegrityError) that says what was recorded and what was found, AccessDenied (a
        PermissionError), and ReferenceUnavailable when their home does not answer.
        """
        repository, record = self._core.to_read("files to download")
        target = self._root(root, record)
        with show_progress(f"downloading {record.name}", None if path_prefix else record.size) as on_progress:
            missing = download(
                repository,
                record,
                target,
                None if path_prefix is None else os.fspath(path_prefix),
                on_progress,
                allow_missing_references=allow_missing_references,
            )
        for reference in missing[:_TOLD_DIFFERENCES]:
            notice(f"{record.name}: {reference.path} was left out: {reference.what}")
        if len(missing) > _TOLD_DIFFERENCES:
            notice(f"{record.name}: {counted(len(missing) - _TOLD_DIFFERENCES, 'more reference')} left out")
        return str(target)

    def checkout(self, root: StrPath | None = None) -> str:
        """Make a directory hold this version and nothing else: other files in it are removed. Otherwise as `download`."""
        repository, record = self._core.to_read("files to check out")
        target = self._root(root, record)
        with show_progress(f"checking out {record.name}", record.size) as on_progress:
            checkout(repository, record, target, on_progress)
        return str(target)

    def verify(self, root: StrPath | None = None) -> None:
        """Raise UserError (a ValueError) that names the differences if the directory `root` is not exactly this version."""
        repository, record = self._core.to_read("files to compare with")
        target = self._root(root, record)
        differences = verify_directory(repository, record, target)
        if differences:
            told = "; ".join(str(difference) for difference in differences[:_TOLD_DIFFERENCES])
            more = f"; and {len(differences) - _TOLD_DIFFERENCES} more" if len(differences) > _TOLD_DIFFERENCES else ""
            raise UserError(f"{target} is not {record.name}: {told}{more}; checkout() makes it so")

    # The version among others

    def save(self) -> None:
        """Store what was changed on this handle: description, keys of the metadata, aliases.

        What others have changed meanwhile stays. Afterwards the handle shows the version as it is now. Raises NotFound if it was
        deleted, NotLogged before it is logged.

            artifact.aliases.append("best")
            artifact.metadata["accuracy"] = 0.93
            artifact.save()
        """
        self._core.save()

    def delete(self, delete_aliases: bool = False) -> None:
        """Delete this version. Its number is never given again; what no other version needs is collected by `artfs gc`.

        Raises Conflict while it has aliases, unless `delete_aliases`.
        """
        self._core.delete(delete_aliases=delete_aliases)

    def logged_by(self) -> RecordedRun[Artifact] | None:
        """The run that logged this version first; None if none did."""
        record = self._core.require_known("producer")
        runs = self._core.repository().registry.lineage.producers(record.id)
        return self._show_run(runs[0]) if runs else None

    def used_by(self) -> list[RecordedRun[Artifact]]:
        """The runs that used this version, in the order in which they began to."""
        record = self._core.require_known("consumers")
        return [self._show_run(run) for run in self._core.repository().registry.lineage.consumers(record.id)]

    # How it shows itself

    def __repr__(self) -> str:
        return format_line(self._look())

    def _repr_html_(self) -> str:
        return format_html(self._look(), self._shown_files())

    def _look(self) -> Look:
        record = self._core.settle()
        status = _STATUS[self._core.state]
        count, size = self._core.counts()
        aliases = tuple(self._core.handle.aliases) if record is not None else ()
        return Look(self.name, self.type, status, aliases, self.description, count, size)

    def _shown_files(self) -> list[ShownFile]:
        # Whatever is wrong with the store, a notebook shows the rest of the artifact.
        try:
            if self._core.settle() is None:
                entries = [ArtifactEntry(entry, self._fetch) for entry in self._core.draft_files()[:SHOWN_FILES]]
            else:
                entries = list(islice(self.manifest.iter_entries(), SHOWN_FILES))
        except ArtfsError:
            entries = []
        return [ShownFile(entry.path, entry.size, shown_uri(entry.ref()) if entry.is_reference else "") for entry in entries]

    def _show_run(self, record: RunRecord) -> RecordedRun[Artifact]:
        return RecordedRun(self._core.config, record, Artifact.from_record)

    def _fetch(self, path: str, root: StrPath | None) -> str:
        repository, record = self._core.to_read("files to download")
        target = self._root(root, record)
        download(repository, record, target, path)
        return str(target / path)

    @staticmethod
    def _root(root: StrPath | None, record: VersionRecord) -> Path:
        return Path("artifacts", record.name) if root is None else Path(root)


def core_of(artifact: Artifact) -> Core:
    """The state behind an artifact, for the runs that log and use it."""
    return artifact._core  # noqa: SLF001
