"""What every object store does, and what its callers may rely on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import Buffer

from artfs.cloud.buckets import Piece

__all__ = ["ObjectInfo", "ObjectStore", "Piece"]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object: its key, its size in bytes, and when it was put, in seconds since the epoch."""

    key: str
    size: int
    modified_s: float


class ObjectStore(Protocol):
    """Bytes under keys.

    Keys are relative `/`-separated text of `[a-z0-9._-]`. Objects never change: a key is put once, and a second `put` of it (a
    retry) carries the same bytes. All methods block and may be called from any thread.

    Errors: NotFound for a key that is not there, StoreFull when there is no room, AccessDenied where the credentials do not allow
    it, ConfigNotValid where there is no such store, StoreUnavailable for what may pass, after it has been tried again as long as is
    worth it.
    """

    @property
    def is_remote(self) -> bool:
        """True where a request costs a way through a network: then many are made at once, and what came is kept on a local disk."""
        ...

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        """Store the pieces of `data`, one after the other, as one object.

        Atomic: readers see nothing or all. Durable: when it returns, the object survives a power cut. After an error nothing is
        visible under the key that was not before. Racing puts of one key leave the bytes of one of them. Where there is an object
        under the key, it is replaced (by a local store) or left as it is (by a remote one), IntegrityError when it is of another
        size. The memory of `data` is the caller's again when it returns or raises.
        """
        ...

    def get(self, key: str) -> bytes:
        """All bytes of the object."""
        ...

    def read_range(self, key: str, offset: int, length: int) -> Piece:
        """Exactly `length` bytes from `offset` on, in memory of their own; IntegrityError when the object ends before."""
        ...

    def size(self, key: str) -> int:
        """The object's size in bytes."""
        ...

    def has(self, key: str) -> bool:
        """True if the object is there, as of some moment during the call."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when it is not there."""
        ...

    def iter_objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """The objects whose keys start with `prefix`, in order of their keys (a remote store: of its server, which is nearly that).

        Objects put or deleted meanwhile may or may not be seen.
        """
        ...
