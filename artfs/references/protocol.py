"""What artfs needs of the place where references point: a `Home` for each kind of URI.

A home keeps nothing of content in memory or on disk and decides nothing about paths in artifacts: that is done by `naming`, and
caching by the layer above. Retrying is the business of the clients below (`cloud`); a home only translates what comes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from artfs.cloud.buckets import Piece
from artfs.model.entry import Reference

__all__ = ["Fetched", "Found", "Home", "Piece"]


class Found(NamedTuple):
    """One thing that a URI leads to. `name` is its path below what was asked for, or its basename; not checked, not normalised."""

    name: str
    reference: Reference
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Bytes on their way, of exactly the content that was recorded.

    `start` is where in the content they begin: the offset that was asked for, or 0 where the home gives nothing but the whole;
    they then go on to its end, also where just the beginning was asked for. `size` is that of the whole content, None where the
    home does not say. Whoever does not read `pieces` to its end closes it: `contextlib.closing(fetched.pieces)`.
    """

    start: int
    size: int | None
    pieces: Iterator[Piece]


class Home(Protocol):
    """Where the references of some URI schemes point. Any thread; calls block, each for a bounded time.

    Every method raises ReferenceUnavailable when there is no answer in time or a wrong one (after retrying), AccessDenied when the
    home refuses, and UserError for a URI that cannot be. Messages name the URI.
    """

    def expand(self, uri: str) -> Iterator[Found]:
        """What the URI leads to, with what identifies it now: one object, or all below a prefix, in order of their names.

        Lazy where there is a listing: whoever has seen enough stops. Raises NotFound when nothing is there.
        """
        ...

    def look(self, reference: Reference) -> Reference:
        """The reference as it would be recorded now: at the recorded version where there is one, else what is current.

        Raises NotFound when there is nothing (any more). Transfers no content where the home has a cheaper way.
        """
        ...

    def fetch(self, reference: Reference, offset: int, length: int) -> Fetched:
        """`length` bytes from `offset` on, fewer only where the content ends, in one request.

        Pinned (I9): by version id where one is recorded, else by the recorded ETag or digest. Raises ReferenceChanged as soon as it
        is known that the content is another one or gone: before the first byte, or instead of the last one where only the digest of
        the whole can tell (then `start` is 0, and nobody may use a byte before the end). A reference without ETag and version id is
        served as it is; NotFound where there is nothing. A body that ends early is ReferenceUnavailable, never short bytes.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class LocalHome(Protocol):
    """A home that can tell what is below a folder without asking anybody and without reading content."""

    def list_folder(self, uri: str) -> Iterator[Found] | None:
        """All files below the folder, without what identifies their content, in order of their names; None if it is no folder."""
        ...
