"""Objects in a bucket of S3 or Google Cloud Storage, below a prefix.

    BUCKET/PREFIX/packs/<lease>/<sequence>    an object: its key is what follows the prefix

An object is stored by one request that the server takes whole or not at all, with a checksum, and only where there is none under
the key: of racing writers of one key the first wins, and the others find an object that holds the same bytes by contract, of which
they look at the size. It does not verify what is read: that is done for each chunk above it (I3). Trying again, credentials and
whatever else is a matter of the vendor is that of the client. All methods may be called from any thread and from many processes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from typing_extensions import Buffer

from artfs.cloud.buckets import LEAST_OWN, BucketClient
from artfs.errors import ConfigNotValid, IntegrityError, NotFound, StoreUnavailable, TransientError
from artfs.objectstore.key import check_key, is_key
from artfs.objectstore.protocol import ObjectInfo, Piece

#: More than any object has: a whole one is asked for as its beginning.
_ALL = 1 << 40


class BucketStore:
    """An ObjectStore below `prefix` of a bucket that is there already. A prefix is a key, or empty."""

    def __init__(self, client: BucketClient, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._uri = f"{client.scheme}://{bucket}/{self._prefix}"
        self._is_bucket_known = False

    @property
    def is_remote(self) -> bool:
        return True

    def prepare(self) -> None:
        """Do what the first request brings with it, but for asking the server."""
        self._client.prepare(self._bucket)

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        at = self._prefix + check_key(key)
        with self._explained(key):
            if self._client.put(self._bucket, at, data):
                return
            found = self._client.head(self._bucket, at).size
        wanted = sum(memoryview(piece).nbytes for piece in data)
        if found != wanted:
            raise IntegrityError(
                f"{self._uri}{key} is there already, with {found} bytes in place of the {wanted} that are to be stored: "
                "use another prefix if something else than artfs writes there, else run `artfs verify`"
            )

    def get(self, key: str) -> bytes:
        at = self._prefix + check_key(key)
        with self._explained(key):
            return bytes(self._client.get(self._bucket, at, 0, _ALL)[1])

    def read_range(self, key: str, offset: int, length: int) -> Piece:
        at = self._prefix + check_key(key)
        with self._explained(key):
            facts, found = self._client.get(self._bucket, at, offset, length)
        if len(found) != length:
            raise IntegrityError(f"object {key} ends after {facts.size} bytes: {length} bytes at {offset} were expected")
        return found if length >= LEAST_OWN else bytes(found)

    def size(self, key: str) -> int:
        at = self._prefix + check_key(key)
        with self._explained(key):
            return self._client.head(self._bucket, at).size

    def has(self, key: str) -> bool:
        try:
            self.size(key)
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        at = self._prefix + check_key(key)
        with self._explained(key):
            self._client.delete(self._bucket, at)

    def iter_objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._explained(prefix):
            for facts in self._client.iter_current(self._bucket, self._prefix + prefix):
                key = facts.key[len(self._prefix) :]
                if is_key(key):  # what else lies below the prefix is none of ours
                    yield ObjectInfo(key, facts.size, facts.modified_ns / 10**9)

    def refuses_damage(self, key: str) -> bool:
        """Put what does not fit its checksum under a new key: False if it was stored, and is there now."""
        at = self._prefix + check_key(key)
        with self._explained(key):
            return self._client.refuses_damage(self._bucket, at)

    def keeps_versions(self) -> bool | None:
        """True if what is deleted stays as an old version and takes room; None where the bucket does not tell."""
        with self._explained(""):
            return self._client.keeps_versions(self._bucket)

    @contextlib.contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Raises what an ObjectStore raises for what a BucketClient does."""
        try:
            yield
        except NotFound as error:
            # A server says of a HEAD no more than that there is nothing: without a bucket nothing would ever be there.
            if not self._is_bucket_known and not self._client.has_bucket(self._bucket):
                raise ConfigNotValid(
                    f"there is no bucket {self._client.scheme}://{self._bucket}: make it, or correct the object store's address"
                ) from error
            self._is_bucket_known = True
            raise NotFound(f"there is no object {self._uri}{key}: run `artfs verify` to learn what needs it") from error
        except TransientError as error:
            if type(error) is not TransientError:
                raise
            raise StoreUnavailable(error.message) from error
