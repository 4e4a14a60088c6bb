"""The configuration of a run: a dict whose keys are attributes too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artfs.errors import TypeNotValid, UserError
from artfs.model.metadata import copy_metadata


class RunConfig(dict[str, Any]):
    """`run.config["lr"]` or `run.config.lr`. Stored with the run is what it was begun with; later changes stay in the process."""

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the run's config has no {key!r}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value


def as_config(config: Any) -> dict[str, Any]:
    """A config given to `init` (None, a mapping, or an object such as argparse's namespace) as a dict that JSON can express.

    A configuration holds whatever a script is made of; a value that JSON cannot express becomes its text.
    """
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        if not hasattr(config, "__dict__"):
            raise TypeNotValid(f"config must be a dict or a namespace, not {type(config).__name__}")
        config = vars(config)
    return {str(key): _as_json(value) for key, value in config.items()}


def _as_json(value: Any) -> Any:
    try:
        return copy_metadata({"value": value})["value"]
    except UserError:
        return str(value)
