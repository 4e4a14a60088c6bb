"""What the tests of references over HTTP share."""

from __future__ import annotations

from collections.abc import Callable

from artfs.errors import ArtfsError
from artfs.references.references import References

DATA = bytes(range(256)) * 400
#: `open_web(budget_s=20, **environ)`.
OpenWeb = Callable[..., References]


def sentence(error: ArtfsError, *parts: str) -> None:
    """One clear sentence: no line breaks, no traceback, nothing of Python, and all that it has to name."""
    message = str(error)
    assert "\n" not in message
    assert not any(word in message for word in ("Error(", "object at 0x", "HTTPConnection", "Traceback", "None")), message
    assert [part for part in parts if part not in message] == [], message
