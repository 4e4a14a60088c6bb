"""artfs: a versioned artifact file system for machine learning.

    import artfs

    with artfs.init(project="bikes", job_type="train") as run:
        data = run.use_artifact("bike-dataset:latest").download()
        model = artfs.Artifact("bike-model", type="model")
        model.add_file("model.h5")
        run.log_artifact(model, aliases=["best"])

`artfs.run` is the current run, or None. Importing this is cheap: what a name needs is imported when the name is first used. The
errors are in `artfs.errors`, tables in `artfs.data_types`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from artfs.version import __version__

if TYPE_CHECKING:
    from artfs.client.api import Api
    from artfs.client.artifact import Artifact
    from artfs.client.data_types.table import Table
    from artfs.client.entry import ArtifactEntry
    from artfs.client.run import Run
    from artfs.client.start import finish, finish_artifact, init, log_artifact, login, upsert_artifact, use_artifact

    run: Run | None

__all__ = [
    "Api",
    "Artifact",
    "ArtifactEntry",
    "Run",
    "Table",
    "__version__",
    "finish",
    "finish_artifact",
    "init",
    "log_artifact",
    "login",
    "run",
    "upsert_artifact",
    "use_artifact",
]

_HOMES = {
    "Api": "artfs.client.api",
    "Artifact": "artfs.client.artifact",
    "ArtifactEntry": "artfs.client.entry",
    "Run": "artfs.client.run",
    "Table": "artfs.client.data_types.table",
    "finish": "artfs.client.start",
    "finish_artifact": "artfs.client.start",
    "init": "artfs.client.start",
    "log_artifact": "artfs.client.start",
    "login": "artfs.client.start",
    "upsert_artifact": "artfs.client.start",
    "use_artifact": "artfs.client.start",
}
_MODULES = ("data_types", "errors")


def __getattr__(name: str) -> Any:
    if name == "run":  # another one from time to time, so never kept
        return import_module("artfs.client.start").current_run()
    if name in _MODULES:
        return import_module(f"artfs.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'artfs' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
