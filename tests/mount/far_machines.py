"""Mounts of one repository whose objects are in S3, each on a machine of its own: with nothing in its memory or its cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.mount.mounting import Place


class Asked(NamedTuple):
    """What a mount has asked of its object store."""

    requests: int
    bytes_read: int

    def since(self, before: Asked) -> Asked:
        return Asked(self.requests - before.requests, self.bytes_read - before.bytes_read)


@dataclass
class Machine(Place):
    """`objects` is the URI of the object store, and the registry is in `registry`, so that several machines share both."""

    objects: str
    registry: Path

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "ARTFS_OBJECTS": self.objects, "ARTFS_REGISTRY": f"sqlite:///{self.registry}"}


@dataclass
class FarStore:
    """A store in a bucket, which machines write to and read from."""

    folder: Path
    objects: str
    _machines: int = 0

    def new_machine(self) -> Machine:
        self._machines += 1
        root = self.folder / f"machine-{self._machines}"
        root.mkdir()
        return Machine(root, self.objects, self.folder / "registry.sqlite")

    @contextmanager
    def mounted(self, name: str) -> Iterator[Path]:
        """The first version of an artifact, mounted by a new machine."""
        with self.new_machine().mounted() as root:
            yield root / name / "v0"


def asked(version: Path) -> Asked:
    """What has been asked so far by the mount that the directory of a version is in."""
    counts = json.loads((version.parents[1] / ".artfs/status.json").read_bytes())["object_store"]
    requests = sum(count for verb, count in counts.items() if not verb.startswith("bytes_"))
    return Asked(requests, counts["bytes_read"])
