"""Runs that build one version together, made short for tests."""

from __future__ import annotations

from typing import Any

import artfs
from artfs.client.artifact import Artifact
from tests.client.making import build


def upsert(files: dict[str, bytes], run: str = "a", group: str = "g", name: str = "parts", **more: Any) -> Artifact:
    """One run that contributes one artifact of these files."""
    with artfs.init(id=run, group=group, reinit="create_new") as going_on:
        return going_on.upsert_artifact(build(name, files), **more)


def finish(files: dict[str, bytes] | None = None, run: str = "z", group: str = "g", name: str = "parts", **more: Any) -> Artifact:
    with artfs.init(id=run, group=group, reinit="create_new") as going_on:
        return going_on.finish_artifact(build(name, files or {}), **more)


def count_versions(name: str = "parts") -> int:
    return len(artfs.Api().artifact_versions("dataset", name))
