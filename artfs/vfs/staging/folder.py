"""Where staging directories lie, and their coming and going on the disk.

    ROOT/ENTITY/PROJECT/ARTIFACT/
        NAME/               one staging directory
            upper/          what was written
            tmp/            what is not yet in its place; means nothing after a crash
            base.json       which version it lies over, if any
        NAME.json           its commit options, if any
        .new/, .trash/      coming and going

A folder appears and disappears by one rename, so that it is all there or not at all (I5). Any thread; racing creators of one name
see one winner.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from artfs.errors import AlreadyExists, NameNotValid
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord
from artfs.vfs.staging.base_version import encode_base_note
from artfs.vfs.staging.layout import BASE_MARKER, SCRATCH, UPPER, format_base_marker
from artfs.vfs.staging.removal import remove_tree

BASE_NOTE = "base.json"
OPTIONS_SUFFIX = ".json"
_NEW = ".new"
_TRASH = ".trash"
_MAX_NAME_BYTES = 200
#: Folders above a staging directory that may be as new as it is: artifact, project, entity, root and the root's parent.
_LEVELS = 5
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})
#: What is in `.new` for longer is of a process that died.
_STALE_S = 3600.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f/]")

logger = logging.getLogger(__name__)


def artifact_folder(root: Path, artifact: ArtifactName) -> Path:
    return root / artifact.entity / artifact.project / artifact.name


def options_path(folder: Path) -> Path:
    """The options file of the staging directory in `folder`."""
    return folder.with_name(folder.name + OPTIONS_SUFFIX)


def is_staging_name(name: str) -> bool:
    """True if a staging directory may be called `name`: `NAME.json` is its options, a dot is ours."""
    if not name or name.startswith(".") or name.endswith(OPTIONS_SUFFIX) or _CONTROL.search(name):
        return False
    try:
        return len(name.encode()) <= _MAX_NAME_BYTES
    except UnicodeEncodeError:
        return False


def check_staging_name(name: str) -> str:
    if not is_staging_name(name):
        raise NameNotValid(
            f"{name!r} is not a valid name of a staging directory: use up to {_MAX_NAME_BYTES} bytes without '/' and control"
            f" characters, no dot in front and no {OPTIONS_SUFFIX} at the end"
        )
    return name


def make_folder(folder: Path, base: VersionRecord | None) -> None:
    """Make an empty staging directory, or one over `base`. It survives a power cut once this returns."""
    new = _aside(folder, _NEW)
    try:
        _fill(new, base)
        new.rename(folder)
    except OSError as error:
        remove_tree(str(new))
        if error.errno in _TAKEN:
            raise AlreadyExists(f"there is a staging directory {folder.name!r} already: choose another name") from error
        raise
    for above in folder.parents[:_LEVELS]:
        _sync(above)
    empty_trash(folder.parent)


def _fill(new: Path, base: VersionRecord | None) -> None:
    new.mkdir()
    (new / UPPER).mkdir()
    (new / UPPER).chmod(0o755)
    (new / SCRATCH).mkdir()
    if base is not None:
        (new / UPPER / BASE_MARKER).symlink_to(format_base_marker(""))
        (new / BASE_NOTE).write_bytes(encode_base_note(base))
        _sync(new / BASE_NOTE)
        _sync(new / UPPER)
    _sync(new)


def rename_folder(old: Path, new: Path) -> None:
    """Rename a staging directory with its options. AlreadyExists when `new` is taken."""
    try:
        old.rename(new)
    except OSError as error:
        if error.errno in _TAKEN:
            raise AlreadyExists(f"there is a staging directory {new.name!r} already: choose another name") from error
        raise
    with contextlib.suppress(FileNotFoundError):
        options_path(old).rename(options_path(new))
    _sync(new.parent)


def throw_away(folder: Path) -> None:
    """Remove a staging directory and its options: out of sight by one rename, then for good as far as that can be done."""
    trashed = _aside(folder, _TRASH)
    with contextlib.suppress(FileNotFoundError):
        # First and along with the folder: left behind, they would be the options of the next one of that name.
        options_path(folder).rename(folder / f"options{OPTIONS_SUFFIX}")
    folder.rename(trashed)
    empty_trash(folder.parent)


def empty_trash(parent: Path) -> None:
    """Remove what was thrown away beside these staging directories; a crash may have left some."""
    for row in (*_rows(parent / _TRASH), *_stale(_rows(parent / _NEW))):
        try:
            remove_tree(str(row))
        except FileNotFoundError:
            pass  # somebody else empties it too
        except OSError as error:
            logger.info("%s stays for now: %s", row, error)


def _stale(rows: Iterable[Path]) -> Iterator[Path]:
    oldest = time.time() - _STALE_S
    for row in rows:
        with contextlib.suppress(FileNotFoundError):  # it has become a staging directory
            if row.lstat().st_mtime < oldest:
                yield row


def _rows(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []


def _aside(folder: Path, where: str) -> Path:
    """A new path beside the staging directories, on the same file system, out of sight."""
    directory = folder.parent / where
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{folder.name}-{secrets.token_hex(6)}"


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
