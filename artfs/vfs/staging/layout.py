"""How an overlay is written down in a real directory tree (`upper/`): the reserved names and texts.

| in upper/                   | means                                                                                       |
|-----------------------------|---------------------------------------------------------------------------------------------|
| `.artfs-base` → `/DIR`      | the directory it is in is merged with the base directory DIR; without it the directory is plain |
| `.artfs-gone-NAME` → `NAME` | the base child NAME is not shown here (`.artfs-long-DIGEST` when NAME leaves no room)         |
| `.artfs-_REST`              | the user's name `.artfs-REST`                                                               |
| symlink → `//artfs-file/PATH` | the base file PATH, moved here                                                            |
| symlink → `//artfs-text/TEXT` | the user's symlink with the target TEXT, which begins with `//artfs-`                     |
| anything else               | what it looks like                                                                          |

A base child NAME is shown iff its directory has a base marker, and upper has neither NAME nor NAME's gone marker. Markers are
symlinks, as one system call makes a symlink with its text. Pure functions: no I/O, any thread.
"""

from __future__ import annotations

import errno
import os
import re

from artfs.model.digest import digest_of, format_digest
from artfs.model.names import MAX_NAME_BYTES, MAX_PATH_BYTES

#: In the folder of a staging directory: what was written, and what is not in its place yet.
UPPER = "upper"
SCRATCH = "tmp"

BASE_MARKER = ".artfs-base"
_RESERVED_NAME = ".artfs-"
_USER_NAME = ".artfs-_"
_GONE = ".artfs-gone-"
_GONE_LONG = ".artfs-long-"
_RESERVED_TEXT = "//artfs-"
_FILE_TEXT = "//artfs-file/"
_USER_TEXT = "//artfs-text/"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def os_error(code: int, path: str) -> OSError:
    """The OSError of that errno; Python makes it a FileNotFoundError and so on by itself."""
    return OSError(code, os.strerror(code), path)


def join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def host_name(name: str) -> str:
    """The name in upper of the user's `name`. ENOENT for what is no name: nobody climbs out of upper by `..`."""
    if name[:1] in ("", "."):
        if name in ("", ".", ".."):
            raise os_error(errno.ENOENT, name)
        if name.startswith(_RESERVED_NAME):
            return _USER_NAME + name[len(_RESERVED_NAME) :]
    return name


def user_name(name: str) -> str | None:
    """The user's name of what is called `name` in upper; None for a marker."""
    if not name.startswith(_RESERVED_NAME):
        return name
    if name.startswith(_USER_NAME):
        return _RESERVED_NAME + name[len(_USER_NAME) :]
    return None


def gone_marker(name: str) -> str:
    raw = name.encode(errors="surrogateescape")
    if len(raw) + len(_GONE) <= MAX_NAME_BYTES:
        return _GONE + name
    return _GONE_LONG + format_digest(digest_of(raw))


def is_gone_marker(name: str) -> bool:
    return name.startswith((_GONE, _GONE_LONG))


def format_base_marker(base_directory: str) -> str:
    return "/" + base_directory


def parse_base_marker(text: str) -> str:
    return text[1:]


def format_placeholder(base_path: str) -> str:
    return _FILE_TEXT + base_path


def parse_placeholder(text: str) -> str | None:
    """The base path that the text of a symlink in upper stands for; None for a symlink of the user's."""
    return text[len(_FILE_TEXT) :] if text.startswith(_FILE_TEXT) else None


def format_target(target: str) -> str:
    """The text in upper of a symlink of the user's; a target that would read as a placeholder is escaped."""
    return _USER_TEXT + target if target.startswith(_RESERVED_TEXT) else target


def parse_target(text: str) -> str:
    return text[len(_USER_TEXT) :] if text.startswith(_USER_TEXT) else text


def check_new_path(path: str, name: str) -> None:
    """Raise if nothing may be created at `path`, whose last name is `name`: what has no place in a version is refused at once."""
    if name in ("", ".", ".."):
        raise os_error(errno.EINVAL, path)
    if _CONTROL.search(name):
        raise os_error(errno.EINVAL, path)
    if len(path) <= MAX_NAME_BYTES and path.isascii():
        return
    if len(_encoded(name)) > MAX_NAME_BYTES or len(_encoded(path)) > MAX_PATH_BYTES:
        raise os_error(errno.ENAMETOOLONG, path)


def check_text(text: str) -> None:
    """Raise EILSEQ for a symlink's target that is no UTF-8: a version could not hold it."""
    _encoded(text)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise os_error(errno.EILSEQ, ascii(text)) from None
