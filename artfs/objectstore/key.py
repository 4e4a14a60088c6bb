"""Which keys an object may have. Checked by every store, so that a key cannot lead out of a folder or mean two objects."""

from __future__ import annotations

import re

from artfs.errors import NameNotValid

MAX_KEY_SIZE = 512
_KEY = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,199}(?:/[a-z0-9_-][a-z0-9._-]{0,199})*")


def is_key(text: str) -> bool:
    """True if an object may lie under `text`."""
    return len(text) <= MAX_KEY_SIZE and _KEY.fullmatch(text) is not None


def check_key(key: str) -> str:
    """`key` if an object may lie under it, else NameNotValid."""
    if not is_key(key):
        raise NameNotValid(
            f"{key!r} is not a valid key of an object: use names of a-z 0-9 . _ - that do not start with a dot, separated by /"
        )
    return key
