"""What artfs tells the person in front of the script, on standard error, each in a line that begins with `artfs:`.

Logs, for whoever debugs, go to `logging.getLogger("artfs")` instead. Never raises: a closed standard error must not end an upload.
"""

from __future__ import annotations

import contextlib
import sys

from artfs.model.names import MOUNT_FOLDER
from artfs.references.uri import shown_uri


def notice(text: str) -> None:
    """Tell `text`, one sentence, to the person."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full, or None in a service without a terminal
        sys.stderr.write(f"artfs: {text}\n")
        sys.stderr.flush()


def hidden_warning(path: str) -> str:
    """The sentence about a path of a version that its mount has for itself."""
    return (
        f"{path!r} is not seen where the version is mounted alone, as a mount has its own {MOUNT_FOLDER!r} there: mount the "
        "artifact, or choose another name"
    )


def secret_warning(uri: str) -> str:
    """The sentence about a URI with a signature, a token or a password in it, which it does not repeat."""
    return (
        f"{shown_uri(uri)} carries a signature, a token or a password, which is recorded for all who may read the artifact and may "
        "expire: better give the plain URI, and credentials in the environment"
    )
