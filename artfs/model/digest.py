"""Digests: BLAKE3 values that identify content.

A digest is 32 raw bytes inside artfs and 64 hexadecimal digits in text, the same that `b3sum` prints.
"""

from __future__ import annotations

from typing import NewType

from blake3 import blake3
from typing_extensions import Buffer

Digest = NewType("Digest", bytes)

DIGEST_SIZE = 32
#: What an entry without content (a directory) carries in the place of a digest.
NO_DIGEST = Digest(bytes(DIGEST_SIZE))


class Digester:
    """Computes the digest of bytes that come in pieces. Not for several threads at once."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = blake3()

    def update(self, data: Buffer) -> None:
        self._state.update(data)

    def digest(self) -> Digest:
        return Digest(self._state.digest())


def digest_of(data: Buffer) -> Digest:
    """The digest of `data`. Releases the GIL for all but the smallest inputs."""
    return Digest(blake3(data).digest())


def format_digest(digest: Digest) -> str:
    """64 hexadecimal digits."""
    return digest.hex()
