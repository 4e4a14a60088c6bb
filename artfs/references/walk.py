"""The files below a local folder that is referred to, symlinks followed and hidden files included, as when a folder is added.

Lazy, in order of names; reads no file. A circle of symlinks, one that leads nowhere and what is no file are refused by place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from artfs.errors import AccessDenied, ReferenceUnavailable, UserError

_Identity = tuple[int, int]


def iter_files(root: str, uri: str) -> Iterator[tuple[str, str]]:
    """Path below `root`, and where it is, of every file. `uri` is what messages name beside the place."""
    yield from _iter_below(root, "", uri, ())


def _iter_below(place: str, path: str, uri: str, above: tuple[_Identity, ...]) -> Iterator[tuple[str, str]]:
    try:
        status = os.stat(place)  # noqa: PTH116 - a path that may be no UTF-8, as below
        identity = (status.st_dev, status.st_ino)
        names = sorted(os.listdir(place))  # noqa: PTH208
    except PermissionError as error:
        raise AccessDenied(f"{place} below {uri} may not be read by this user: change its permissions") from error
    except OSError as error:
        raise ReferenceUnavailable(
            f"{place} below {uri} cannot be read: {error.strerror}; try again when its disk answers"
        ) from error
    if identity in above:
        raise UserError(f"{place} below {uri} is a symlink to a folder that it lies in: remove it, as it would never end")
    for name in names:
        where = f"{place}/{name}" if place != "/" else f"/{name}"
        below = f"{path}/{name}" if path else name
        mode = _mode(where, uri)
        if stat.S_ISDIR(mode):
            yield from _iter_below(where, below, uri, (*above, identity))
        elif stat.S_ISREG(mode):
            yield below, where
        else:
            raise UserError(f"{where} below {uri} is no regular file: remove it, or refer to the others one by one")


def _mode(where: str, uri: str) -> int:
    try:
        return os.stat(where).st_mode  # noqa: PTH116
    except FileNotFoundError as error:
        raise UserError(f"{where} below {uri} is a symlink that leads nowhere: remove it or restore its target") from error
    except OSError as error:
        raise ReferenceUnavailable(
            f"{where} below {uri} cannot be read: {error.strerror}; try again when its disk answers"
        ) from error
