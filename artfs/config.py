"""Settings, read once: flag > environment > file > default.

| setting       | environment         | default                                                          |
|---------------|---------------------|------------------------------------------------------------------|
| `entity`      | `ARTFS_ENTITY`      | the user's login name                                            |
| `project`     | `ARTFS_PROJECT`     | `default`                                                        |
| `registry`    | `ARTFS_REGISTRY`    | `sqlite:///DATA/registry.sqlite`                                 |
| `objects`     | `ARTFS_OBJECTS`     | `file://DATA/objects`                                            |
| `run_id`      | `ARTFS_RUN_ID`      | none                                                             |
| `memory`      | `ARTFS_MEMORY`      | `256MiB`, bytes of decoded chunks to keep in memory              |
| `cache_limit` | `ARTFS_CACHE_LIMIT` | `10GiB`, bytes of remote chunks to keep on disk; `0` keeps none  |

DATA is `$XDG_DATA_HOME/artfs`; memos and the cache of chunks are in `$XDG_CACHE_HOME/artfs`, staging and logs in
`$XDG_STATE_HOME/artfs`, and the file is `$XDG_CONFIG_HOME/artfs/config.toml`. `ARTFS_HOME` puts all four into one folder instead.
"""

from __future__ import annotations

import getpass
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import PlatformDirs

from artfs.errors import ConfigNotValid, UserError
from artfs.model.names import check_entity, check_project

DEFAULT_PROJECT = "default"
DEFAULT_MEMORY = "256MiB"
DEFAULT_CACHE_LIMIT = "10GiB"
_SETTINGS = ("entity", "project", "registry", "objects", "run_id", "memory", "cache_limit")
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
    cache_limit: int
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

    @property
    def chunk_cache_dir(self) -> Path:
        """Where chunks of remote object stores are kept; shared by all processes of this user on this machine."""
        return self.cache_dir / "chunks"


@dataclass(frozen=True, slots=True)
class _Said:
    """A setting as somebody said it, and the words that tell where."""

    value: Any
    where: str


def make_private_folder(folder: Path) -> None:
    """Make a folder of artfs's own, and what is missing above it, for its owner alone. One that is there stays as it is."""
    if not folder.is_dir():
        make_private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def load_config(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings. `flags` are what the caller was told explicitly (None values are not said)."""
    environ = os.environ if environ is None else environ
    config_dir, data_dir, cache_dir, state_dir = _folders(environ)
    said = _read_settings(config_dir / "config.toml", environ, flags or {})
    return Config(
        entity=_checked("entity", said, check_entity) or check_entity(_login_name()),
        project=_checked("project", said, check_project) or DEFAULT_PROJECT,
        registry=_checked("registry", said) or f"sqlite:///{data_dir}/registry.sqlite",
        objects=_checked("objects", said) or f"file://{data_dir}/objects",
        run_id=_checked("run_id", said),
        memory=parse_size(_checked("memory", said, _check_size) or DEFAULT_MEMORY),
        cache_limit=parse_size(_checked("cache_limit", said, _check_size) or DEFAULT_CACHE_LIMIT),
        data_dir=data_dir,
        cache_dir=cache_dir,
        state_dir=state_dir,
    )


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


def _check_size(text: str) -> str:
    parse_size(text)
    return text


def _folders(environ: Mapping[str, str]) -> tuple[Path, Path, Path, Path]:
    if home := environ.get("ARTFS_HOME"):
        root = Path(home).expanduser().absolute()
        return root, root / "data", root / "cache", root / "state"
    dirs = PlatformDirs("artfs", appauthor=False)
    return dirs.user_config_path, dirs.user_data_path, dirs.user_cache_path, dirs.user_state_path


def _read_settings(path: Path, environ: Mapping[str, str], flags: Mapping[str, Any]) -> dict[str, _Said]:
    """What was said, by setting: the strongest source of each."""
    said = {name: _Said(value, f"in {path}") for name, value in _read_file(path).items()}
    if unknown := sorted(set(said) - set(_SETTINGS)):
        raise ConfigNotValid(f"unknown setting {unknown[0]!r} in {path}: the settings are {', '.join(_SETTINGS)}")
    for name in _SETTINGS:
        variable = f"ARTFS_{name.upper()}"
        if environ.get(variable):
            said[name] = _Said(environ[variable], f"in the variable {variable}")
        if flags.get(name) is not None:
            said[name] = _Said(flags[name], "that was given")
    return said


def _checked(name: str, said: Mapping[str, _Said], check: Callable[[str], str] = str) -> str | None:
    """The value of a setting, or None where it is not said or empty."""
    if name not in said or said[name].value in ("", None):
        return None
    value, where = said[name].value, said[name].where
    try:
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise ConfigNotValid(f"it is {value!r}, which is not text")
        return check(str(value))
    except UserError as error:
        raise ConfigNotValid(f"the setting {name} {where} cannot be used: {error}") from error


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
