"""Settings, read once: flag > environment > file > default.

| setting    | environment      | default                                   |
|------------|------------------|-------------------------------------------|
| `entity`   | `ARTFS_ENTITY`   | the user's login name                     |
| `project`  | `ARTFS_PROJECT`  | `default`                                 |
| `registry` | `ARTFS_REGISTRY` | `sqlite:///DATA/registry.sqlite`          |
| `objects`  | `ARTFS_OBJECTS`  | `file://DATA/objects`                     |
| `run_id`   | `ARTFS_RUN_ID`   | none                                      |
| `memory`   | `ARTFS_MEMORY`   | `256MiB`, bytes of decoded chunks to keep |

DATA is `$XDG_DATA_HOME/artfs`; memos are in `$XDG_CACHE_HOME/artfs`, staging and logs in `$XDG_STATE_HOME/artfs`, and the file is
`$XDG_CONFIG_HOME/artfs/config.toml`. `ARTFS_HOME` puts all four into one folder instead.
"""

from __future__ import annotations

import getpass
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import PlatformDirs

from artfs.errors import ConfigNotValid, UserError
from artfs.model.names import check_entity, check_project

DEFAULT_PROJECT = "default"
DEFAULT_MEMORY = "256MiB"
_SETTINGS = ("entity", "project", "registry", "objects", "run_id", "memory")
_SIZE = re.compile(r"([0-9]+)\s*([KMGT]?)(i?)B?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force. Sizes are bytes."""

    entity: str
    project: str
    registry: str
    objects: str
    run_id: str | None
    memory: int
    data_dir: Path
    cache_dir: Path
    state_dir: Path

    @property
    def staging_dir(self) -> Path:
        """Where the staging directories of all mounts of this user lie; never cleaned without being asked (I5)."""
        return self.state_dir / "staging"

    @property
    def mounts_dir(self) -> Path:
        """Where running mounts say that they are there."""
        return self.state_dir / "mounts"

    @property
    def log_dir(self) -> Path:
        return self.state_dir / "log"

    @property
    def memo_dir(self) -> Path:
        return self.cache_dir / "memo"


def load_config(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings. `flags` are what the caller was told explicitly (None values are not said)."""
    environ = os.environ if environ is None else environ
    config_dir, data_dir, cache_dir, state_dir = _folders(environ)
    said = {
        **_read_file(config_dir / "config.toml"),
        **{name: environ[f"ARTFS_{name.upper()}"] for name in _SETTINGS if environ.get(f"ARTFS_{name.upper()}")},
        **{name: value for name, value in (flags or {}).items() if value is not None},
    }
    unknown = sorted(set(said) - set(_SETTINGS))
    if unknown:
        raise ConfigNotValid(f"unknown setting {unknown[0]!r}: the settings are {', '.join(_SETTINGS)}")
    try:
        return Config(
            entity=check_entity(str(said.get("entity") or _login_name())),
            project=check_project(str(said.get("project") or DEFAULT_PROJECT)),
            registry=str(said.get("registry") or f"sqlite:///{data_dir}/registry.sqlite"),
            objects=str(said.get("objects") or f"file://{data_dir}/objects"),
            run_id=str(said["run_id"]) if said.get("run_id") else None,
            memory=parse_size(str(said.get("memory") or DEFAULT_MEMORY)),
            data_dir=data_dir,
            cache_dir=cache_dir,
            state_dir=state_dir,
        )
    except ConfigNotValid:
        raise
    except UserError as error:
        raise ConfigNotValid(f"a setting cannot be used: {error}") from error


def parse_size(text: str) -> int:
    """Bytes meant by `64MiB`, `64M`, `1GB`, `4096`. `M` and `MiB` are powers of 1024, `MB` of 1000."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ConfigNotValid(f"{text!r} is not a size: write for example 512MiB or 2G")
    number, unit, binary = match.groups()
    decimal = unit and not binary and text.strip()[-1:].upper() == "B"
    power = " KMGT".index(unit.upper() or " ")
    factor: int = (1000 if decimal else 1024) ** power
    return int(number) * factor


def _folders(environ: Mapping[str, str]) -> tuple[Path, Path, Path, Path]:
    if home := environ.get("ARTFS_HOME"):
        root = Path(home).expanduser().absolute()
        return root, root / "data", root / "cache", root / "state"
    dirs = PlatformDirs("artfs", appauthor=False)
    return dirs.user_config_path, dirs.user_data_path, dirs.user_cache_path, dirs.user_state_path


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigNotValid(f"cannot read the settings in {path}: {error}") from error


def _login_name() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a uid that has no name
        name = f"uid-{os.getuid()}"
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
