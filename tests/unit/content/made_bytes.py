"""Bytes for tests: reproducible, and incompressible or not as needed."""

from __future__ import annotations

import random


def noise(size: int, seed: int = 0) -> bytes:
    """Incompressible bytes, the same for the same arguments."""
    return random.Random(seed).randbytes(size)
