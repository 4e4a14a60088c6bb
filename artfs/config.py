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

The file may also name **places**, other registries with their object stores that `artfs copy` copies to and from:

    [places.shared]
    registry = "postgresql://artfs@db.example.org/artfs"
    objects = "s3://bucket/artfs"
    entity = "team"        # these two only if names that say neither mean others there
    project = "vision"
"""

from __future__ import annotations

import getpass
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from platformdirs import PlatformDirs

from artfs.errors import ConfigNotValid, UserError
from artfs.model.names import check_entity, check_project

DEFAULT_PROJECT = "default"
DEFAULT_MEMORY = "256MiB"
DEFAULT_CACHE_LIMIT = "10GiB"
_SETTINGS = ("entity", "project", "registry", "objects", "run_id", "memory", "cache_limit")
_PLACES = "places"
_SETTINGS_OF_A_PLACE = ("registry", "objects", "entity", "project")
_PLACE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """A registry and its object store under a name; `entity` and `project` only where the place says them."""

    registry: str
    objects: str
    entity: str | None = None
    project: str | None = None


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
    #: Not part of the hash, as a mapping has none: settings are keys of what is open.
    places: Mapping[str, Place] = field(default_factory=dict, hash=False)
    #: What is wrong with those that cannot be used, which is nobody's business but of who names one.
    broken_places: Mapping[str, str] = field(default_factory=dict, hash=False)

    def at(self, name: str) -> Config:
        """The settings in force at the place of that name. Cache, memos and logs stay this user's. Raises ConfigNotValid."""
        if name in self.broken_places:
            raise ConfigNotValid(self.broken_places[name])
        place = self.places.get(name)
        if place is None:
            known = f"the places there are: {', '.join(sorted(self.places))}" if self.places else "there are none so far"
            raise ConfigNotValid(f"there is no place {name!r}: name it in a table [places.{name}] of config.toml; {known}")
        return replace(
            self,
            registry=place.registry,
            objects=place.objects,
            entity=place.entity or self.entity,
            project=place.project or self.project,
        )

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
    path = config_dir / "config.toml"
    written = _read_file(path)
    places, broken_places = _read_places(written.pop(_PLACES, {}), path)
    said = _read_settings(written, path, environ, flags or {})
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
        places=places,
        broken_places=broken_places,
    )


def parse_size(text: str) -> int:
    """Bytes meant by `64MiB`, `64M`, `1.5GB`, `4096`. `M` and `MiB` are powers of 1024, `MB` of 1000."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ConfigNotValid(f"{text!r} is not a size: write for example 512MiB or 2G")
    number, unit, binary = match.groups()
    decimal = unit and not binary and text.strip()[-1:].upper() == "B"
    power = " KMGT".index(unit.upper() or " ")
    factor: int = (1000 if decimal else 1024) ** power
    return int(Decimal(number) * factor)


def _check_size(text: str) -> str:
    parse_size(text)
    return text


def _folders(environ: Mapping[str, str]) -> tuple[Path, Path, Path, Path]:
    if home := environ.get("ARTFS_HOME"):
        try:
            root = Path(home).expanduser().absolute()
        except RuntimeError as error:  # of ~NAME
            raise ConfigNotValid(f"the variable ARTFS_HOME cannot be used: {home!r} names a user who has no home here") from error
        return root, root / "data", root / "cache", root / "state"
    dirs = PlatformDirs("artfs", appauthor=False)
    return dirs.user_config_path, dirs.user_data_path, dirs.user_cache_path, dirs.user_state_path


def _read_settings(
    written: Mapping[str, Any], path: Path, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> dict[str, _Said]:
    """What was said, by setting: the strongest source of each. `written` is what the file at `path` says."""
    said = {name: _Said(value, f"in {path}") for name, value in written.items()}
    if unknown := sorted(set(said) - set(_SETTINGS)):
        raise ConfigNotValid(f"unknown setting {unknown[0]!r} in {path}: the settings are {', '.join(_SETTINGS)}")
    for name in _SETTINGS:
        variable = f"ARTFS_{name.upper()}"
        if environ.get(variable):
            said[name] = _Said(environ[variable], f"in the variable {variable}")
        if flags.get(name) is not None:
            said[name] = _Said(flags[name], "that was given")
    return said


def _read_places(tables: Any, path: Path) -> tuple[dict[str, Place], dict[str, str]]:
    """The places, and what is wrong with those that are none."""
    if not isinstance(tables, dict):
        raise ConfigNotValid(f"{_PLACES} in {path} is no table: write [places.NAME] above the settings of a place")
    places: dict[str, Place] = {}
    broken: dict[str, str] = {}
    for name, table in tables.items():
        try:
            places[name] = _read_place(name, table, path)
        except ConfigNotValid as error:
            broken[name] = str(error)
    return places, broken


def _read_place(name: str, table: Any, path: Path) -> Place:
    if not _PLACE_NAME.fullmatch(name):
        raise ConfigNotValid(f"{name!r} in {path} is not a valid name of a place: use the characters A-Z a-z 0-9 _ . -")
    if not isinstance(table, dict):
        raise ConfigNotValid(f"the place {name} in {path} is no table: write [places.{name}] above its settings")
    if unknown := sorted(set(table) - set(_SETTINGS_OF_A_PLACE)):
        settings = ", ".join(_SETTINGS_OF_A_PLACE)
        raise ConfigNotValid(f"unknown setting {unknown[0]!r} of the place {name} in {path}: the settings are {settings}")
    said = {f"places.{name}.{key}": _Said(value, f"in {path}") for key, value in table.items()}
    registry, objects = _checked(f"places.{name}.registry", said), _checked(f"places.{name}.objects", said)
    if registry is None or objects is None:
        lacking, example = ("registry", "postgresql://db/artfs") if registry is None else ("objects", "s3://bucket/artfs")
        raise ConfigNotValid(
            f'the place {name} in {path} has no {lacking}: add a line such as {lacking} = "{example}" below [places.{name}]'
        )
    return Place(
        registry=registry,
        objects=objects,
        entity=_checked(f"places.{name}.entity", said, check_entity),
        project=_checked(f"places.{name}.project", said, check_project),
    )


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
    except OSError as error:
        raise ConfigNotValid(f"cannot read the settings in {path}: {error.strerror}") from error
    except ValueError as error:
        why = "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise ConfigNotValid(f"cannot read the settings in {path}: {why}; correct the file, or move it away") from error


def _login_name() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a uid that has no name
        name = f"uid-{os.getuid()}"
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
