"""The homes that the contract is asked of: each over a real server or a real folder, with a way to change what is there."""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from artfs.model.entry import Reference
from artfs.references.protocol import Fetched
from artfs.references.references import References
from tests.servers.nginx import Nginx

_NUMBERS = itertools.count()


class Place(Protocol):
    """Where a test puts objects that references then lead to."""

    #: True where an old version can still be read after it was overwritten.
    keeps_versions: bool
    #: True where a URI may be a prefix of many objects.
    expands: bool

    def put(self, key: str, data: bytes) -> str:
        """Make or replace an object; its URI."""
        ...

    def delete(self, key: str) -> None: ...

    def uri_of(self, key: str) -> str: ...


class WebPlace:
    """Files of an nginx, by one of the ways in which it shows them."""

    keeps_versions = False
    expands = False

    def __init__(self, server: Nginx, way: str = "") -> None:
        self._server = server
        self._way = way
        self._folder = f"place-{next(_NUMBERS)}"

    def put(self, key: str, data: bytes) -> str:
        self._server.put(f"{self._folder}/{key}", data)
        return self.uri_of(key)

    def delete(self, key: str) -> None:
        self._server.delete(f"{self._folder}/{key}")

    def uri_of(self, key: str) -> str:
        return self._server.url_of(f"{self._folder}/{key}", self._way)


class FolderPlace:
    """A local folder."""

    keeps_versions = False
    expands = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, data: bytes) -> str:
        place = self._folder / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return self.uri_of(key)

    def delete(self, key: str) -> None:
        (self._folder / key).unlink()

    def uri_of(self, key: str) -> str:
        return f"file://{quote(str(self._folder))}/{quote(key)}"


class S3Place:
    """A prefix of a bucket of SeaweedFS."""

    expands = True

    def __init__(self, client: Any, bucket: str, *, versioned: bool) -> None:
        self.keeps_versions = versioned
        self._client = client
        self._bucket = bucket
        self._folder = f"place-{next(_NUMBERS)}"

    def put(self, key: str, data: bytes) -> str:
        self._client.put_object(Bucket=self._bucket, Key=f"{self._folder}/{key}", Body=data)
        return self.uri_of(key)

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=f"{self._folder}/{key}")

    def uri_of(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._folder}/{key}"


class GcsPlace:
    """A prefix of a bucket of fake-gcs-server that keeps no old generations."""

    keeps_versions = False
    expands = True

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket
        self._folder = f"place-{next(_NUMBERS)}"

    def put(self, key: str, data: bytes) -> str:
        self._bucket.blob(f"{self._folder}/{key}").upload_from_string(data, content_type="application/octet-stream")
        return self.uri_of(key)

    def delete(self, key: str) -> None:
        self._bucket.blob(f"{self._folder}/{key}").delete()

    def uri_of(self, key: str) -> str:
        return f"gs://{self._bucket.name}/{self._folder}/{key}"


def only_reference(references: References, uri: str) -> Reference:
    """The reference that the one object at `uri` makes."""
    (entry,) = references.find(uri, name="one")
    assert entry.reference is not None
    return entry.reference


def read(references: References, reference: Reference, offset: int = 0, length: int = 1 << 30) -> bytes:
    """The range as a reader takes it: where the home gives the whole, the range is cut from it."""
    return taken(references.fetch(reference, offset, length), offset, length)


def taken(fetched: Fetched, offset: int, length: int) -> bytes:
    with closing(fetched.pieces) as pieces:  # type: ignore[type-var]
        data = b"".join(pieces)
    assert fetched.start in {0, offset}
    return data[offset - fetched.start :][:length]
