"""Google Cloud Storage. All is google-cloud-storage's, but bytes come by obstore where it can, and go up in one request.

Settings and credentials are where Google's own programs find them: application default credentials, `STORAGE_EMULATOR_HOST` (then
nothing is signed). Where there are no credentials, buckets are asked for anonymously. The ETag of a list and that of a read are
made in different ways by Google: what identifies content is its generation. Any thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from typing_extensions import Buffer

from artfs.cloud import gcs_writes, traits
from artfs.cloud.asking import ask, is_there
from artfs.cloud.buckets import ObjectFacts, Piece, PreconditionFailed
from artfs.cloud.failures import denied, no_object, unavailable
from artfs.cloud.gcs_failures import WHERE_CREDENTIALS_ARE, explained
from artfs.cloud.gcs_session import GcsSession
from artfs.cloud.object_reads import Elsewhere, NotTrusted, Overloaded, ReadAt, Refused, expresses, is_usable, read_range
from artfs.cloud.process_session import ProcessSession
from artfs.cloud.retry import DEFAULT_POLICY, WRITE_POLICY, RetryPolicy, TryAgain
from artfs.cloud.upload_body import UploadBody
from artfs.errors import NotFound

T = TypeVar("T")
#: Below which nothing lies: asking for it tells whether there is a bucket.
_NO_KEY = "none/"
_FIELDS = "items(name,size,etag,generation,timeCreated),nextPageToken"


class GcsClient:
    """A BucketClient; version ids are generations."""

    def __init__(self, policy: RetryPolicy = DEFAULT_POLICY, write_policy: RetryPolicy = WRITE_POLICY) -> None:
        self._session = ProcessSession(partial(GcsSession, policy, write_policy))

    @property
    def scheme(self) -> str:
        return "gs"

    def prepare(self, bucket: str) -> None:
        self._session.get().store(bucket)

    def head(self, bucket: str, key: str, version_id: str | None = None) -> ObjectFacts:
        return self._ask(_uri(bucket, key, version_id), partial(_look, bucket, key, version_id))

    def iter_objects(self, bucket: str, prefix: str) -> Iterator[ObjectFacts]:
        return self._iter_pages(f"gs://{bucket}", bucket, prefix, "read")

    def iter_current(self, bucket: str, prefix: str) -> Iterator[ObjectFacts]:
        return self._iter_pages(_uri(bucket, prefix), bucket, prefix, "listed")

    def has_bucket(self, bucket: str) -> bool:
        return is_there(lambda: next(self._iter_pages(f"gs://{bucket}", bucket, _NO_KEY, "listed"), None))

    def get(
        self, bucket: str, key: str, offset: int, length: int, *, version_id: str | None = None, if_match: str | None = None
    ) -> tuple[ObjectFacts, Piece]:
        def read(session: GcsSession) -> tuple[ObjectFacts, Piece] | None:
            return self._read(session, ReadAt("gs", bucket, key, version_id, if_match, session.endpoint), offset, length)

        found = self._session.use(read) if length > 0 else None
        return found or (self.head(bucket, key, version_id), b"")

    def put(self, bucket: str, key: str, data: Sequence[Buffer]) -> bool:
        # Before its packages are needed for the checksum, as it says best which are missing.
        self._session.get()
        content_type, body = gcs_writes.make_body(key, data)
        put = partial(gcs_writes.put_object, bucket, content_type, body)
        try:
            self._ask(_uri(bucket, key), put, verb="stored", body=body)
        except PreconditionFailed:
            return False
        return True

    def delete(self, bucket: str, key: str) -> None:
        with contextlib.suppress(NotFound):
            self._ask(_uri(bucket, key), partial(gcs_writes.delete_object, bucket, key), verb="deleted")

    def refuses_damage(self, bucket: str, key: str) -> bool:
        return self._ask(_uri(bucket, key), partial(traits.gcs_refuses_damage, bucket, key), verb="stored")

    def keeps_versions(self, bucket: str) -> bool | None:
        return self._ask(f"gs://{bucket}", partial(traits.gcs_keeps_versions, bucket), verb="listed")

    def close(self) -> None:
        self._session.close()

    def _ask(self, uri: str, call: Callable[[GcsSession], T], *, verb: str = "read", body: UploadBody | None = None) -> T:
        return self._session.use(lambda session: ask(session, explained, uri, lambda: call(session), verb=verb, body=body))

    def _iter_pages(self, uri: str, bucket: str, prefix: str, verb: str) -> Iterator[ObjectFacts]:
        token: str | None = ""
        while token is not None:
            found, token = self._ask(uri, partial(_page, bucket, prefix, token), verb=verb)
            yield from found

    @staticmethod
    def _read(session: GcsSession, at: ReadAt, offset: int, length: int) -> tuple[ObjectFacts, Piece] | None:
        by_sdk = partial(_read_by_sdk, session, at, offset, length)
        if not expresses(at.key) or not is_usable():
            return ask(session, explained, at.uri, by_sdk)
        ask(session, explained, at.uri, session.check_credentials)
        try:
            return read_range(session.store(at.bucket), at, offset, length)
        except (NotTrusted, Overloaded):
            return ask(session, explained, at.uri, by_sdk)
        except Elsewhere as failure:
            raise unavailable(at.uri, f"{session.endpoint} sends elsewhere") from failure
        except Refused as refusal:
            raise denied(at.uri, refusal.code, anonymous=session.is_anonymous, where=WHERE_CREDENTIALS_ARE) from refusal


def _page(bucket: str, prefix: str, token: str, session: GcsSession) -> tuple[list[ObjectFacts], str | None]:
    """A request's worth of current objects, and the token of the next."""
    listed = session.client.list_blobs(
        bucket, prefix=prefix or None, page_token=token or None, fields=_FIELDS, timeout=session.timeout, retry=None
    )
    found = [_facts(blob) for blob in next(listed.pages, ())]
    return found, listed.next_page_token or None


def _read_by_sdk(session: GcsSession, at: ReadAt, offset: int, length: int) -> tuple[ObjectFacts, Piece] | None:
    """Two requests: unlike obstore, the SDK does not tell whose bytes it has read, so that the generation has to be known
    before."""
    from google.api_core.exceptions import RequestRangeNotSatisfiable

    facts = _look(at.bucket, at.key, at.version_id, session)
    if offset >= facts.size:
        return None
    pinned = _blob(session, at.bucket, at.key, facts.version_id)
    last = min(offset + length, facts.size) - 1
    try:
        data: bytes = pinned.download_as_bytes(
            start=offset, end=last, raw_download=True, checksum=None, timeout=session.timeout, retry=None, single_shot_download=True
        )
    except RequestRangeNotSatisfiable:
        return None
    if len(data) != last + 1 - offset:
        raise TryAgain(unavailable(at.uri, f"the server sent {len(data)} of {last + 1 - offset} bytes"))
    return facts, data


def _look(bucket: str, key: str, version_id: str | None, session: GcsSession) -> ObjectFacts:
    if key in {".", ".."}:
        # Google has no objects of these names, and the SDK would ask for what is above.
        raise no_object(_uri(bucket, key, version_id))
    blob = _blob(session, bucket, key, version_id)
    blob.reload(timeout=session.timeout, retry=None)
    return _facts(blob)


def _blob(session: GcsSession, bucket: str, key: str, version_id: str | None) -> Any:
    return session.client.bucket(bucket).blob(key, generation=int(version_id) if version_id else None)


def _facts(blob: Any) -> ObjectFacts:
    made = blob.time_created
    return ObjectFacts(
        key=blob.name,
        size=blob.size or 0,
        etag=blob.etag,
        version_id=str(blob.generation) if blob.generation else None,
        modified_ns=int(made.timestamp()) * 10**9 if made else 0,
    )


def _uri(bucket: str, key: str, version_id: str | None = None) -> str:
    return f"gs://{bucket}/{key}" + (f"#{version_id}" if version_id else "")
