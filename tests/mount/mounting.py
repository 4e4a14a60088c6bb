"""Real mounts for tests: started as users start them, and always taken away again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from artfs.config import Config, load_config
from artfs.content.walk import walk_directory
from artfs.errors import ArtfsError, Busy
from artfs.model.entry import directory_entry, symlink_entry
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import VersionRecord
from artfs.mount.control import start_mount, stop_mount
from artfs.mount.host import unmount
from artfs.mount.mount_info import MountInfo, mounted_targets
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.open import open_repository

T = TypeVar("T")


def eventually(ask: Callable[[], T], *, within_s: float = 20.0, what: str = "it") -> T:
    """The first true answer; fails when there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {within_s} s")
        time.sleep(0.02)


@dataclass
class Place:
    """A home of artfs with a mount point, in one folder."""

    root: Path

    @property
    def config(self) -> Config:
        return load_config(environ=self.environ)

    @property
    def environ(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARTFS_")}
        return {**inherited, "ARTFS_HOME": str(self.root / "home"), "ARTFS_ENTITY": "tester", "ARTFS_PROJECT": "default"}

    @property
    def mountpoint(self) -> Path:
        path = self.root / "mnt"
        path.mkdir(exist_ok=True)
        return path

    def artifact(self, name: str) -> ArtifactName:
        return ArtifactName("tester", "default", name)

    def commit(
        self, source: Path, name: str = "data", *, aliases: Sequence[str] = (), symlinks: Mapping[str, str] | None = None
    ) -> VersionRecord:
        """Make the folder a version, with `symlinks` (path → target) besides, as `add_dir` would follow those in it."""
        with open_repository(self.config) as repository:
            ingest = begin_ingest(repository, "tester")
            walk = walk_directory(source)
            entries = [
                *ingest.add_files(walk.files, None),
                *(directory_entry(path) for path in walk.empty_directories),
                *(symlink_entry(path, target, 1_600_000_000_000_000_000) for path, target in (symlinks or {}).items()),
            ]
            request = CommitRequest(self.artifact(name), "dataset", aliases=tuple(aliases))
            return commit_entries(repository, ingest, entries, request).version

    def refer(
        self, uris: Mapping[str, str | None], name: str = "data", *, source: Path | None = None, checksum: bool = True
    ) -> VersionRecord:
        """Make a version of references (URI → name or prefix), and the files of the folder if there is one."""
        with open_repository(self.config) as repository:
            ingest = begin_ingest(repository, "tester")
            entries = ingest.add_files(walk_directory(source).files, None) if source else []
            for uri, path in uris.items():
                entries += repository.references.find(uri, name=path, checksum=checksum)
            return commit_entries(repository, ingest, entries, CommitRequest(self.artifact(name), "dataset")).version

    def resolve(self, name: str, selector: str) -> VersionRecord:
        with open_repository(self.config) as repository:
            return repository.registry.versions.resolve(VersionName(self.artifact(name), selector))

    @contextmanager
    def mounted(self, target: str | None = None, *, expect_errors: bool = False, **options: Any) -> Iterator[Path]:
        """Mount for the block. The daemon's log must hold no error afterwards, unless some are expected."""
        info = start_mount(self.config, self.mountpoint, target, **options)
        try:
            yield info.mountpoint
        finally:
            stop(self.config, info)
        if not expect_errors and info.log is not None:
            lines = info.log.read_text(errors="replace").splitlines()
            assert not [line for line in lines if " ERROR " in line or line.startswith("Traceback")], "\n".join(lines[-30:])


@dataclass
class Mounted:
    """A mount that several tests share, each with an artifact of its own."""

    place: Place
    mountpoint: Path
    _count: int = 0

    def new_artifact(self, source: Path | None = None) -> Path:
        """The directory of a new artifact, with the folder as its first version."""
        self._count += 1
        name = f"data-{self._count}"
        if source is None:
            (self.mountpoint / name).mkdir()
        else:
            self.place.commit(source, name)
        return self.mountpoint / name

    def refer(self, uris: Mapping[str, str | None], *, source: Path | None = None, checksum: bool = True) -> Path:
        """The directory of `v0` of a new artifact, made of references as by `Place.refer`."""
        self._count += 1
        name = f"data-{self._count}"
        self.place.refer(uris, name, source=source, checksum=checksum)
        return self.mountpoint / name / "v0"


def stop(config: Config, info: MountInfo) -> None:
    """Unmount, whatever state the mount is in, and end its process."""
    deadline = time.monotonic() + 20
    while info.mountpoint in mounted_targets():
        try:
            stop_mount(info.mountpoint, 20, config)
        except Busy:
            if time.monotonic() > deadline:
                with contextlib.suppress(ArtfsError):
                    unmount(info.mountpoint, lazy=True)
                break
            time.sleep(0.05)
    if info.is_running():
        end_deadline = time.monotonic() + 10
        while info.is_running() and time.monotonic() < end_deadline:
            time.sleep(0.02)
        if info.is_running():
            os.kill(info.pid, signal.SIGKILL)


def tree_of(root: Path) -> dict[str, tuple[Any, ...]]:
    """Names, kinds, permission bits and contents of all that is below `root`."""
    found: dict[str, tuple[Any, ...]] = {}
    for directory, directories, names in os.walk(root):
        for name in (*directories, *names):
            path = Path(directory, name)
            status = path.lstat()
            key = str(path.relative_to(root))
            if path.is_symlink():
                found[key] = ("symlink", os.readlink(path))
            elif path.is_dir():
                found[key] = ("directory", oct(status.st_mode & 0o7777))
            else:
                found[key] = ("file", oct(status.st_mode & 0o7777), status.st_size, path.read_bytes())
    return found
