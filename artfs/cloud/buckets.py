"""What artfs needs of the buckets of a vendor, its own and those that others have filled: a `BucketClient` for each.

Keys are taken as they are: `//`, `..` and whatever else a key may hold. The contract suites are
`tests/unit/cloud/test_bucket_clients.py` and, for writing, `tests/contract/objectstore`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from typing_extensions import Buffer

#: Bytes as they came: a view where a copy would be for nothing.
Piece: TypeAlias = bytes | memoryview
#: From this size on a client has put its answer together in memory of just that size. Less may be a part of what it has read from
#: the connection, all of which a view keeps in memory.
LEAST_OWN = 1 << 20


class ObjectFacts(NamedTuple):
    """What is known of an object without reading it.

    `etag` is what the server sent, quotes included, None where it sends none. `version_id` is the S3 version id or the generation
    of GCS; None in a bucket of S3 that keeps no versions. `modified_ns` is the time of the last modification, in nanoseconds since
    1970.
    """

    key: str
    size: int
    etag: str | None
    version_id: str | None
    modified_ns: int


class PreconditionFailed(Exception):
    """The object's ETag is not the one that was asked for; never leaves `references`."""


class BucketClient(Protocol):
    """One vendor's buckets. Any thread; calls block for at most about 45 s, as each is tried again by `retry` alone. Those that
    write have more patience: about two minutes and a half in which nothing moves.

    All raise AccessDenied when the server refuses, TransientError when there is no answer in time or a wrong one, UserError for a
    name that no bucket can have and for settings that cannot be used, and NotInstalled without the vendor's packages. Messages
    name the object as a URI. Endpoint and credentials come from where the vendor's own programs find them, when the first call is
    made; where no credentials are found, buckets are asked for anonymously. After a fork the child goes on with connections of its
    own.
    """

    @property
    def scheme(self) -> str:
        """How addresses of this vendor begin: `s3` or `gs`."""
        ...

    def prepare(self, bucket: str) -> None:
        """Do what the first call brings with it, but for asking the bucket: load the vendor's packages, find credentials."""
        ...

    def head(self, bucket: str, key: str, version_id: str | None = None) -> ObjectFacts:
        """The current object, or the named version of it. Raises NotFound."""
        ...

    def iter_objects(self, bucket: str, prefix: str) -> Iterator[ObjectFacts]:
        """The current objects whose key begins with `prefix`, folder markers included, in the server's order: nearly that of keys.

        Lazy: a request for each thousand or so, made when it is needed. Raises NotFound without such a bucket.
        """
        ...

    def iter_current(self, bucket: str, prefix: str) -> Iterator[ObjectFacts]:
        """The same, without version ids and perhaps without ETags: never more than a request for each thousand."""
        ...

    def has_bucket(self, bucket: str) -> bool:
        """False if there is no such bucket; True also where the credentials do not allow to know."""
        ...

    def get(
        self, bucket: str, key: str, offset: int, length: int, *, version_id: str | None = None, if_match: str | None = None
    ) -> tuple[ObjectFacts, Piece]:
        """Bytes `offset` to `offset + length`, fewer only where the object ends, and the facts of the object they are from.

        One request, unless nothing lies there: then the facts are asked for. Raises NotFound, and PreconditionFailed when the
        server finds that the ETag is not `if_match`; a server may ignore `if_match`, so that the facts have to be compared.
        """
        ...

    def put(self, bucket: str, key: str, data: Sequence[Buffer]) -> bool:
        """Store the pieces as one object, unless there is one under the key; returns whether they were stored.

        False also for an object that an earlier attempt of this call has stored, when its answer was lost. One request that carries
        a checksum which the server compares where it can, and that it takes whole or not at all. A server that knows no conditions
        stores them in any case. Raises NotFound without such a bucket, StoreFull when there is no room.
        """
        ...

    def delete(self, bucket: str, key: str) -> None:
        """Remove the current object; nothing happens when it is not there."""
        ...

    def refuses_damage(self, bucket: str, key: str) -> bool:
        """Put under a new key what does not fit its checksum: True if the server refuses it, False if it is stored."""
        ...

    def keeps_versions(self, bucket: str) -> bool | None:
        """True if what is deleted or replaced stays as an old version; None where the server does not tell who asks."""
        ...

    def close(self) -> None:
        """Let go of connections; the next call would make new ones."""
        ...
