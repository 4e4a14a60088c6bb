"""Short ways to artifacts, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import artfs
from artfs.client.artifact import Artifact
from artfs.client.run import Run

ONE_FILE: Mapping[str, bytes] = {"data.bin": b"one"}


def build(name: str = "bike-dataset", files: Mapping[str, bytes] = ONE_FILE, type_name: str = "dataset", **more: Any) -> Artifact:
    """An artifact of these files, not logged."""
    artifact = artfs.Artifact(name, type=type_name, **more)
    for path, data in files.items():
        with artifact.new_file(path, mode="wb") as file:
            file.write(data)
    return artifact


def log(run: Run, name: str = "bike-dataset", files: Mapping[str, bytes] = ONE_FILE, aliases: Any = None, **more: Any) -> Artifact:
    """An artifact of these files, logged and waited for."""
    return run.log_artifact(build(name, files, **more), aliases=aliases).wait(60)


def read_tree(root: str | Path) -> dict[str, bytes]:
    """All files below `root`: path and bytes."""
    top = Path(root)
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def content(artifact: Artifact, root: Path) -> dict[str, bytes]:
    """All files of a version, downloaded into a fresh directory."""
    return read_tree(artifact.download(root))


def current() -> Run | None:
    """The current run; a call, so that a type checker does not take it for the same one twice."""
    return artfs.run
