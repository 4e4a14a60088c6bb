"""Commit options: what `NAME.json` beside a staging directory says about the version that it is to become.

    {"aliases": ["best"], "description": "…", "metadata": {…}, "type": "dataset"}

Each key may be left out. Checked when it is read, as people write it with editors and `echo`. Values only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artfs.errors import UserError
from artfs.model.metadata import copy_metadata
from artfs.model.names import check_aliases, check_type

_KEYS = ("aliases", "description", "metadata", "type")
_MAX_SIZE = 16 << 20


@dataclass(frozen=True, slots=True)
class StagingOptions:
    """None and empty mean: not said."""

    aliases: tuple[str, ...] = ()
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    type: str | None = None

    def merged_with(self, other: StagingOptions) -> StagingOptions:
        """Both together; what `other` says wins."""
        return StagingOptions(
            aliases=tuple(dict.fromkeys((*self.aliases, *other.aliases))),
            description=self.description if other.description is None else other.description,
            metadata={**self.metadata, **other.metadata},
            type=self.type if other.type is None else other.type,
        )


def parse_options(text: bytes, source: str) -> StagingOptions:
    """The options in `text`; UserError that names `source` and what is wrong in it. Empty text says nothing."""
    if not text.strip():
        return StagingOptions()
    try:
        fields = json.loads(text)  # NaN and Infinity too: about those in metadata `copy_metadata` decides
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source} is not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise UserError(f"{source} must hold a JSON object with some of the keys {', '.join(_KEYS)}")
    unknown = sorted(set(fields) - set(_KEYS))
    if unknown:
        raise UserError(f"{source} has the unknown key {unknown[0]!r}: the keys are {', '.join(_KEYS)}")
    try:
        return StagingOptions(
            aliases=_aliases(fields.get("aliases")),
            description=_typed(fields, "description", str, "text"),
            metadata=copy_metadata(_typed(fields, "metadata", dict, "an object")),
            type=None if fields.get("type") is None else check_type(fields["type"]),
        )
    except UserError as error:
        raise UserError(f"{source} cannot be used: {error}") from error


def _aliases(value: Any) -> tuple[str, ...]:
    if value is not None and not isinstance(value, (str, list)):
        raise UserError("'aliases' must be a list of text")
    return tuple(check_aliases(value))


def _typed(fields: Mapping[str, Any], key: str, kind: type, what: str) -> Any:
    value = fields.get(key)
    if value is not None and not isinstance(value, kind):
        raise UserError(f"{key!r} must be {what}")
    return value


def read_options(path: Path) -> StagingOptions:
    """The options in the file at `path`; none when there is no such file."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_SIZE + 1)
    except FileNotFoundError:
        return StagingOptions()
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error}") from error
    if len(text) > _MAX_SIZE:
        raise UserError(f"{path.name} is larger than {_MAX_SIZE} bytes: commit options are a few lines")
    return parse_options(text, path.name)
