"""S3 and servers that speak it. All is boto3's, but bytes come by obstore where it can.

It cannot: for keys that obstore does not express, for access points and directory buckets, after a fork, and where a server
redirects, asks for patience, or is trusted by boto3 alone. Any thread.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

from typing_extensions import Buffer

from artfs.cloud import s3_writes, traits
from artfs.cloud.asking import ask, is_there
from artfs.cloud.buckets import ObjectFacts, Piece, PreconditionFailed
from artfs.cloud.failures import denied, unavailable
from artfs.cloud.object_reads import Elsewhere, NotTrusted, Overloaded, ReadAt, Refused, expresses, is_usable, read_range
from artfs.cloud.process_session import ProcessSession
from artfs.cloud.retry import DEFAULT_POLICY, WRITE_POLICY, RetryPolicy, TryAgain
from artfs.cloud.s3_failures import WHERE_CREDENTIALS_ARE, explained, status_of
from artfs.cloud.s3_session import S3Session
from artfs.cloud.upload_body import UploadBody
from artfs.errors import NotFound

T = TypeVar("T")
#: Where a page of a list begins, and its objects with the beginning of the next, None behind the last.
_Token: TypeAlias = dict[str, str]
_Page: TypeAlias = tuple[list[ObjectFacts], _Token | None]
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
#: Answers to a listing of versions of those who have none, or show them to nobody.
_NO_LIST_OF_VERSIONS = frozenset({400, 401, 403, 405, 501})


class S3Client:
    """A BucketClient; version ids are those of buckets with versioning."""

    def __init__(self, policy: RetryPolicy = DEFAULT_POLICY, write_policy: RetryPolicy = WRITE_POLICY) -> None:
        self._session = ProcessSession(partial(S3Session, policy, write_policy))
        #: Buckets that do not list versions, and those that obstore has turned out not to reach.
        self._plainly_listed: set[str] = set()
        self._beyond_obstore: set[str] = set()
        self._takes_conditions = True

    @property
    def scheme(self) -> str:
        return "s3"

    def prepare(self, bucket: str) -> None:
        self._session.get().store(bucket)

    def head(self, bucket: str, key: str, version_id: str | None = None) -> ObjectFacts:
        asked = {"Bucket": bucket, "Key": key, **({"VersionId": version_id} if version_id else {})}
        answer = self._ask(_uri(bucket, key, version_id), lambda session: session.client.head_object(**asked))
        return _facts_of_answer(key, answer["ContentLength"], answer)

    def iter_objects(self, bucket: str, prefix: str) -> Iterator[ObjectFacts]:
        for facts in self._iter_listed(bucket, prefix):
            # SeaweedFS gives no ETag for an empty object in a list, so that nothing would pin it.
            yield self.head(bucket, facts.key) if facts.etag is None and facts.version_id is None else facts

    def iter_current(self, bucket: str, prefix: str) -> Iterator[ObjectFacts]:
        return self._iter_pages(_uri(bucket, prefix), partial(_page_of_objects, bucket, prefix), {}, verb="listed")

    def has_bucket(self, bucket: str) -> bool:
        return is_there(
            lambda: self._ask(f"s3://{bucket}", lambda session: session.client.head_bucket(Bucket=bucket), verb="listed")
        )

    def get(
        self, bucket: str, key: str, offset: int, length: int, *, version_id: str | None = None, if_match: str | None = None
    ) -> tuple[ObjectFacts, Piece]:
        def read(session: S3Session) -> tuple[ObjectFacts, Piece] | None:
            return self._read(session, ReadAt("s3", bucket, key, version_id, if_match, session.endpoint), offset, length)

        found = self._session.use(read) if length > 0 else None
        return found or (self.head(bucket, key, version_id), b"")

    def put(self, bucket: str, key: str, data: Sequence[Buffer]) -> bool:
        body = UploadBody(data)
        checksum = s3_writes.checksum_of(body)
        try:
            self._ask(_uri(bucket, key), partial(self._put, bucket, key, body, checksum), verb="stored", body=body)
        except PreconditionFailed:
            return False
        return True

    def delete(self, bucket: str, key: str) -> None:
        with contextlib.suppress(NotFound):
            self._ask(_uri(bucket, key), lambda session: s3_writes.delete_object(session, bucket, key), verb="deleted")

    def refuses_damage(self, bucket: str, key: str) -> bool:
        return self._ask(_uri(bucket, key), partial(traits.s3_refuses_damage, bucket, key), verb="stored")

    def keeps_versions(self, bucket: str) -> bool | None:
        return self._ask(f"s3://{bucket}", partial(traits.s3_keeps_versions, bucket), verb="listed")

    def close(self) -> None:
        self._session.close()

    def _read(self, session: S3Session, at: ReadAt, offset: int, length: int) -> tuple[ObjectFacts, Piece] | None:
        if not expresses(at.key) or not _is_plain(at.bucket) or at.bucket in self._beyond_obstore or not is_usable():
            return _read_by_sdk(session, at, offset, length)
        ask(session, explained, at.uri, session.check_credentials)
        try:
            try:
                return read_range(session.store(at.bucket), at, offset, length)
            except Elsewhere:
                if not ask(session, explained, at.uri, lambda: session.move(at.bucket)):
                    raise
                return read_range(session.store(at.bucket), at, offset, length)
        except Overloaded:
            return _read_by_sdk(session, at, offset, length)
        except (Elsewhere, NotTrusted):
            # boto3 follows redirects and trusts what it is told to, or else says what is wrong.
            self._beyond_obstore.add(at.bucket)
            return _read_by_sdk(session, at, offset, length)
        except Refused as refusal:
            raise denied(at.uri, refusal.code, anonymous=session.is_anonymous, where=WHERE_CREDENTIALS_ARE) from refusal

    def _ask(self, uri: str, call: Callable[[S3Session], T], *, verb: str = "read", body: UploadBody | None = None) -> T:
        return self._session.use(lambda session: ask(session, explained, uri, lambda: call(session), verb=verb, body=body))

    def _iter_pages(
        self, uri: str, read_page: Callable[[_Token, S3Session], _Page], token: _Token | None, verb: str = "read"
    ) -> Iterator[ObjectFacts]:
        """The objects of the page that begins at `token`, and of all behind it."""
        while token is not None:
            found, token = self._ask(uri, partial(read_page, token), verb=verb)
            yield from found

    def _put(self, bucket: str, key: str, body: UploadBody, checksum: str, session: S3Session) -> None:
        only_new = self._takes_conditions
        try:
            s3_writes.put_object(session, bucket, key, body, checksum, only_new=only_new)
        except Exception as error:
            if not only_new or not s3_writes.knows_no_conditions(error):
                raise
            self._takes_conditions = False
            s3_writes.put_object(session, bucket, key, body, checksum, only_new=False)

    def _iter_listed(self, bucket: str, prefix: str) -> Iterator[ObjectFacts]:
        uri = _uri(bucket, prefix)
        if bucket not in self._plainly_listed:
            first = self._ask(uri, partial(_first_page_of_versions, bucket, prefix))
            if first is None:
                self._plainly_listed.add(bucket)
            # A bucket that keeps no versions is listed anew without them: SeaweedFS makes up other ETags in a list of versions.
            elif not first[0] or any(facts.version_id for facts in first[0]):
                yield from first[0]
                yield from self._iter_pages(uri, partial(_page_of_versions, bucket, prefix), first[1])
                return
        yield from self._iter_pages(uri, partial(_page_of_objects, bucket, prefix), {})


def _first_page_of_versions(bucket: str, prefix: str, session: S3Session) -> _Page | None:
    """None where the bucket lists no versions."""
    from botocore.exceptions import ClientError

    try:
        return _page_of_versions(bucket, prefix, {}, session)
    except ClientError as error:
        if status_of(error) in _NO_LIST_OF_VERSIONS:
            return None
        raise


def _page_of_versions(bucket: str, prefix: str, token: _Token, session: S3Session) -> _Page:
    """A request's worth of current objects with their version ids, and where the next one begins."""
    answer = session.client.list_object_versions(Bucket=bucket, Prefix=prefix, **token)
    found = [_facts_of_answer(listed["Key"], listed["Size"], listed) for listed in answer.get("Versions", ()) if listed["IsLatest"]]
    if not answer.get("IsTruncated"):
        return found, None
    return found, {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer.get("NextVersionIdMarker", "")}


def _page_of_objects(bucket: str, prefix: str, token: _Token, session: S3Session) -> _Page:
    """The same without version ids."""
    answer = session.client.list_objects_v2(Bucket=bucket, Prefix=prefix, **token)
    found = [_facts_of_answer(listed["Key"], listed["Size"], listed) for listed in answer.get("Contents", ())]
    return found, {"ContinuationToken": answer["NextContinuationToken"]} if answer.get("IsTruncated") else None


def _read_by_sdk(session: S3Session, at: ReadAt, offset: int, length: int) -> tuple[ObjectFacts, Piece] | None:
    asked = {"Bucket": at.bucket, "Key": at.key, "Range": f"bytes={offset}-{offset + length - 1}"}
    asked |= {"VersionId": at.version_id} if at.version_id else {}
    asked |= {"IfMatch": at.if_match} if at.if_match else {}
    return ask(session, explained, at.uri, lambda: _get_object(session, at, asked, offset, length))


def _get_object(
    session: S3Session, at: ReadAt, asked: dict[str, str], offset: int, length: int
) -> tuple[ObjectFacts, Piece] | None:
    from botocore.exceptions import ClientError

    try:
        answer = session.client.get_object(**asked)
    except ClientError as error:
        if status_of(error) == 416:
            return None
        raise
    with contextlib.closing(answer["Body"]) as body:
        match = _CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
        if match is None or int(match[1]) != offset:
            raise unavailable(at.uri, "the server does not give the range that it is asked for")
        size = int(match[3])
        data: bytes = body.read()
    if len(data) != min(length, size - offset):
        raise TryAgain(unavailable(at.uri, f"the server sent {len(data)} of {min(length, size - offset)} bytes"))
    return _facts_of_answer(at.key, size, answer), data


def _facts_of_answer(key: str, size: int, answer: dict[str, Any]) -> ObjectFacts:
    etag = answer.get("ETag")
    version_id = answer.get("VersionId")
    modified = answer.get("LastModified")
    return ObjectFacts(
        key=key,
        size=size,
        etag=etag if etag and etag.strip('"') else None,
        version_id=version_id if version_id != "null" else None,
        modified_ns=int(modified.timestamp()) * 10**9 if modified else 0,
    )


def _is_plain(bucket: str) -> bool:
    """False for access points and directory buckets, which are reached in ways of their own."""
    return ":" not in bucket and not bucket.endswith("--x-s3")


def _uri(bucket: str, key: str, version_id: str | None = None) -> str:
    return f"s3://{bucket}/{key}" + (f"?versionId={version_id}" if version_id else "")
