"""Names: what artifacts, aliases, types, runs and paths may be called, and how a version is spelled in text.

Everything that comes from a user passes through here once, at the border; the layers below take names as valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from artfs.errors import NameNotValid, TypeNotValid

LATEST = "latest"
#: What a mount has at its root for itself. A version may have that name, too, and does not show it where it is mounted alone.
MOUNT_FOLDER = ".artfs"
#: Names an artifact cannot have, as the mount uses them beside artifacts.
RESERVED_ARTIFACT_NAMES = frozenset({".", "..", MOUNT_FOLDER})
#: Names an alias cannot have, as the mount uses them beside versions.
RESERVED_ALIASES = frozenset({"staging"})
#: Longest path in an artifact, in bytes of UTF-8: PATH_MAX less room for the mount point.
MAX_PATH_BYTES = 3072
#: Longest single name in a path, in bytes of UTF-8: NAME_MAX.
MAX_NAME_BYTES = 255

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_VERSION_LABEL = re.compile(r"v(0|[1-9][0-9]{0,9})")
_LOOKS_LIKE_VERSION = re.compile(r"v[0-9]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_artifact_name(name: str) -> str:
    """`name` if an artifact may be called so, else NameNotValid that suggests a valid spelling."""
    return _check_identifier(name, "artifact name")


def check_entity(name: str) -> str:
    """`name` if an entity may be called so, else NameNotValid that suggests a valid spelling."""
    return _check_identifier(name, "entity")


def check_project(name: str) -> str:
    """`name` if a project may be called so, else NameNotValid that suggests a valid spelling."""
    return _check_identifier(name, "project")


def _check_identifier(name: str, what: str) -> str:
    if not isinstance(name, str):
        raise TypeNotValid(f"the {what} must be text, not {type(name).__name__}")
    if _IDENTIFIER.fullmatch(name) and name not in RESERVED_ARTIFACT_NAMES:
        return name
    suggestion = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")[:128]
    if not suggestion or suggestion in RESERVED_ARTIFACT_NAMES:
        suggestion = "my-" + what.split(maxsplit=1)[0]
    raise NameNotValid(
        f"{name!r} is not a valid {what}: use 1 to 128 of the characters A-Z a-z 0-9 _ . - (for example {suggestion!r})"
    )


def check_type(type_name: str) -> str:
    """`type_name` if it may be the type of an artifact (`dataset`, `model`, any text without `/`)."""
    if not isinstance(type_name, str):
        raise TypeNotValid(f"an artifact's type must be text such as 'dataset', not {type(type_name).__name__}")
    if not type_name or len(type_name) > 128 or "/" in type_name or _CONTROL.search(type_name) or not is_utf8(type_name):
        raise NameNotValid(f"{type_name!r} is not a valid type: use non-empty text such as 'dataset' or 'model'")
    if type_name == "job" or type_name.startswith("wandb-"):
        raise NameNotValid(f"the type {type_name!r} is reserved: choose another such as 'dataset' or 'model'")
    return type_name


def check_alias(alias: str) -> str:
    """`alias` if a version may have it as an alias."""
    if not isinstance(alias, str):
        raise TypeNotValid(f"an alias must be text, not {type(alias).__name__}")
    reason = _why_not_an_alias(alias)
    if reason:
        raise NameNotValid(f"{alias!r} is not a valid alias: {reason}")
    return alias


def _why_not_an_alias(alias: str) -> str | None:
    if not alias or len(alias.encode(errors="replace")) > 128:
        return "it must have 1 to 128 bytes"
    if "/" in alias or ":" in alias or _CONTROL.search(alias) or not is_utf8(alias):
        return "'/', ':' and control characters are not allowed"
    if _LOOKS_LIKE_VERSION.fullmatch(alias):
        return "names such as v7 are the versions themselves"
    if alias in RESERVED_ALIASES:
        return "the mount keeps the staging directories under this name"
    if alias.startswith("."):
        return "it must not start with a dot"
    return None


def check_aliases(aliases: str | Iterable[str] | None) -> list[str]:
    """The aliases as a list without repetition, in the order given; a `str` is one alias."""
    if aliases is None:
        return []
    if isinstance(aliases, str):
        aliases = [aliases]
    if not isinstance(aliases, Iterable):
        raise TypeNotValid(f"aliases must be a list of text, not {type(aliases).__name__}")
    return list(dict.fromkeys(check_alias(alias) for alias in aliases))


def check_distributed_id(distributed_id: str) -> str:
    """`distributed_id` if parallel writers may find each other by it: any text of 1 to 256 bytes."""
    if not isinstance(distributed_id, str):
        raise TypeNotValid(f"a distributed_id must be text, not {type(distributed_id).__name__}")
    if (
        not 0 < len(distributed_id.encode(errors="replace")) <= 256
        or _CONTROL.search(distributed_id)
        or not is_utf8(distributed_id)
    ):
        raise NameNotValid(
            f"{distributed_id!r} is not a valid distributed_id: use 1 to 256 bytes of text without control characters"
        )
    return distributed_id


def normalise_path(path: str) -> str:
    """The path in an artifact that `path` means: relative, `/`-separated, without `.` and `//`.

    Raises NameNotValid for an empty or absolute path, any `..`, control characters and over-long names.
    """
    if not isinstance(path, str):
        raise TypeNotValid(f"a path in an artifact must be text, not {type(path).__name__}")
    reason = _why_not_a_path(path)
    if reason:
        raise NameNotValid(f"{path!r} is not a valid path in an artifact: {reason}")
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not names:
        raise NameNotValid(f"{path!r} is not a valid path in an artifact: it names nothing")
    return "/".join(names)


def _why_not_a_path(path: str) -> str | None:
    if path.isascii() and path.isprintable() and len(path) <= MAX_NAME_BYTES and ".." not in path and path[:1] != "/":
        return None  # nearly all paths; what follows takes four times as long
    if path.startswith("/"):
        return "it must be relative"
    if _CONTROL.search(path):
        return "control characters are not allowed"
    if not is_utf8(path):
        return "it must be valid UTF-8"
    names = path.split("/")
    if ".." in names:
        return "'..' is not allowed"
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES} bytes"
    if any(len(name.encode()) > MAX_NAME_BYTES for name in names):
        return f"a name in it is longer than {MAX_NAME_BYTES} bytes"
    return None


def check_names(directory: str, names: Sequence[str]) -> None:
    """NameNotValid unless each of `names` may lie in `directory`, which is a normal path or empty.

    Says the same as `normalise_path` of each path and that it is normal, at a tenth of the time: for decoding pages.
    """
    joined = "".join(names)
    if "" in names or "." in names or ".." in names or "/" in joined or _CONTROL.search(joined) or not is_utf8(joined):
        raise NameNotValid(f"a name in the directory {directory!r} is empty, '.' or '..', or has a '/' or a control character")
    room = min(MAX_NAME_BYTES, MAX_PATH_BYTES - len(directory.encode()) - 1 if directory else MAX_PATH_BYTES)
    # A character takes at most four bytes: longer names are looked at one by one.
    if len(max(names, key=len, default="")) > room // 4 and any(len(name.encode()) > room for name in names):
        raise NameNotValid(f"a name in the directory {directory!r} is longer than {room} bytes")


def is_utf8(text: str) -> bool:
    """False for text with lone surrogates, as of a file name that is no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def format_version_label(number: int) -> str:
    return f"v{number}"


def parse_version_label(text: str) -> int | None:
    """The number of a version label (`v7` → 7), or None when `text` is no such label."""
    match = _VERSION_LABEL.fullmatch(text)
    return int(match[1]) if match else None


@dataclass(frozen=True, slots=True, order=True)
class ArtifactName:
    """Where an artifact lives: `entity/project/name`."""

    entity: str
    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.entity}/{self.project}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class VersionName:
    """One version by name: an artifact and a selector, which is a version label (`v3`) or an alias (`latest`)."""

    artifact: ArtifactName
    selector: str

    def __str__(self) -> str:
        return f"{self.artifact}:{self.selector}"

    @property
    def number(self) -> int | None:
        """The number of a version label; None for an alias."""
        return parse_version_label(self.selector)


def parse_artifact_name(text: str, *, entity: str, project: str) -> ArtifactName:
    """Parse `name`, `project/name` or `entity/project/name`; `entity` and `project` fill what is not said."""
    if not isinstance(text, str):
        raise TypeNotValid(f"an artifact must be named by text, not {type(text).__name__}")
    parts = text.split("/")
    if len(parts) > 3 or not all(parts):
        raise NameNotValid(f"{text!r} names no artifact: expected NAME, PROJECT/NAME or ENTITY/PROJECT/NAME")
    name = parts[-1]
    if len(parts) > 1:
        project = parts[-2]
    if len(parts) > 2:
        entity = parts[-3]
    return ArtifactName(check_entity(entity), check_project(project), check_artifact_name(name))


def parse_version_name(text: str, *, entity: str, project: str, default: str = LATEST) -> VersionName:
    """Parse an artifact name with an optional `:v3` or `:alias`; without one it means `default`."""
    if not isinstance(text, str):
        raise TypeNotValid(f"a version must be named by text such as 'bike-dataset:v0', not {type(text).__name__}")
    head, colon, selector = text.partition(":")
    artifact = parse_artifact_name(head, entity=entity, project=project)
    if not colon:
        return VersionName(artifact, default)
    if parse_version_label(selector) is None:
        check_alias(selector)
    return VersionName(artifact, selector)
