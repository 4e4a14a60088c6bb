"""What tests look at when something fails in a mount: the errno, and what a person is told."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest


def errno_of_failure(attempt: Callable[[], object]) -> str:
    """The name of the errno with which it fails."""
    with pytest.raises(OSError) as caught:
        attempt()
    return errno.errorcode[caught.value.errno or 0]


def told_errors(inside: Path) -> dict[str, str]:
    """The last reason for each path in `/.artfs/errors` of the mount that `inside` is in."""
    while not (inside / ".artfs/errors").exists():
        inside = inside.parent
    lines = (inside / ".artfs/errors").read_text().splitlines()
    return {path: reason for _, path, reason in (line.split("\t") for line in lines)}
