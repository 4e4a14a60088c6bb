"""What artfs tells the person in front of the script, on standard error, each in a line that begins with `artfs:`.

Logs, for whoever debugs, go to `logging.getLogger("artfs")` instead. Never raises: a closed standard error must not end an upload.
"""

from __future__ import annotations

import contextlib
import sys


def notice(text: str) -> None:
    """Tell `text`, one sentence, to the person."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full, or None in a service without a terminal
        sys.stderr.write(f"artfs: {text}\n")
        sys.stderr.flush()
