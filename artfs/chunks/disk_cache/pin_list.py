"""The list of the chunks of one pin.

    pin list   name ID.pin1: 16 hexadecimal digits of the digest of the label
               "artfs pin 1\\n", digest of the rest, msgpack [label, bytes of the chunks as stored, digests]

One that is damaged reads as None: the chunks are then as good as never pinned. Pure functions but for `read_pin_lists`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgpack

from artfs.model.digest import DIGEST_SIZE, Digest, digest_of

_MAGIC = b"artfs pin 1\n"
SUFFIX = ".pin1"


@dataclass(frozen=True, slots=True)
class PinList:
    """What is pinned under a label, `size` bytes as stored; `digests` one behind the other."""

    label: str
    size: int
    digests: bytes

    @property
    def chunk_count(self) -> int:
        return len(self.digests) // DIGEST_SIZE

    def iter_digests(self) -> Iterable[Digest]:
        return (Digest(self.digests[at : at + DIGEST_SIZE]) for at in range(0, len(self.digests), DIGEST_SIZE))


def list_name(label: str) -> str:
    return digest_of(label.encode()).hex()[:16] + SUFFIX


def encode_pin_list(pin: PinList) -> bytes:
    body: bytes = msgpack.packb([pin.label, pin.size, pin.digests])
    return _MAGIC + digest_of(body) + body


def decode_pin_list(data: bytes) -> PinList | None:
    """The list, or None for anything that is not one."""
    start = len(_MAGIC) + DIGEST_SIZE
    body = data[start:]
    if not data.startswith(_MAGIC) or digest_of(body) != data[len(_MAGIC) : start]:
        return None
    with contextlib.suppress(Exception):  # hostile bytes can break msgpack in many ways
        label, size, digests = msgpack.unpackb(body)
        if isinstance(label, str) and isinstance(size, int) and isinstance(digests, bytes) and len(digests) % DIGEST_SIZE == 0:
            return PinList(label, size, digests)
    return None


def read_pin_lists(folder: Path) -> list[PinList]:
    """All lists in the folder, by label. Raises OSError."""
    if not folder.is_dir():
        return []
    pins = [decode_pin_list(path.read_bytes()) for path in folder.iterdir() if path.name.endswith(SUFFIX)]
    return sorted((pin for pin in pins if pin is not None), key=lambda pin: pin.label)
