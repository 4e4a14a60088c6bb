"""One invocation of `artfs`: the global options, and the settings and names that follow from them.

Everything is derived from the parsed options of the root command, not stored on the way down: shell completion parses the options
too, but runs no callback. Imports no layer below but the settings and the names, so that it costs nothing to have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import typer

from artfs.cli.place import Place, parse_place
from artfs.config import Config, load_config
from artfs.errors import UserError
from artfs.model.names import ArtifactName, VersionName, parse_artifact_name, parse_version_name

_SETTINGS = ("entity", "project", "registry", "objects")


@dataclass(frozen=True)
class Invocation:
    """What was said before the command."""

    flags: Mapping[str, Any]
    verbose: int = 0

    @cached_property
    def config(self) -> Config:
        """The settings in force: flag > environment > file > default."""
        return load_config(self.flags)

    def artifact(self, text: str) -> ArtifactName:
        """The artifact that `text` names; a version of it is a mistake of the user."""
        if ":" in text:
            raise UserError(f"{text!r} names a version: give the artifact's name alone, {text.partition(':')[0]!r}")
        return parse_artifact_name(text, entity=self.config.entity, project=self.config.project)

    def version(self, text: str) -> VersionName:
        """The version that `text` names; `latest` when it says none."""
        return parse_version_name(text, entity=self.config.entity, project=self.config.project)

    def exact_version(self, text: str) -> VersionName:
        """As `version`, but insisting that `text` says which one: for commands that take something away."""
        if ":" not in text:
            raise UserError(f"{text!r} does not say which version: write for example {text + ':v0'!r}")
        return self.version(text)

    def place(self, text: str) -> Place:
        """The version and the path in it that `NAME[:VERSION[/PATH]]` names."""
        return parse_place(text, entity=self.config.entity, project=self.config.project)


def current(ctx: typer.Context) -> Invocation:
    """The invocation that `ctx` is part of."""
    root = ctx.find_root()
    # Not what typer has found in the environment: the settings look there themselves, and say where what they found was.
    said = {name: root.params.get(name) for name in _SETTINGS if not _is_from_environment(root, name)}
    return Invocation(said, verbose=root.params.get("verbose") or 0)


def _is_from_environment(root: Any, name: str) -> bool:
    source = root.get_parameter_source(name)
    return source is not None and source.name == "ENVIRONMENT"
