"""The home of references to objects of S3 and Google Cloud Storage.

Content is pinned (I9) by its version id or generation where one is known, else by its ETag: the server is asked for that ETag
alone, and the ETag that comes with the bytes is compared, as not every server looks at the condition. A server that refuses a
condition that holds (Ceph does) is asked without it from then on. An ETag of Google means nothing here: that of a list is not that
of a read. Any thread; which servers refuse is all that is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from artfs.cloud.buckets import BucketClient, ObjectFacts, Piece, PreconditionFailed
from artfs.errors import AccessDenied, ArtfsError, NotFound, ReferenceUnavailable, TransientError, UserError
from artfs.model.entry import Reference
from artfs.references.changed import is_recorded, is_same, is_weak, reference_changed
from artfs.references.protocol import Fetched, Found
from artfs.references.uri import BucketUri, format_bucket_uri, parse_bucket_uri

#: The most that one request asks for: what a slow line can carry before the request is given up.
MAX_PIECE = 8 << 20


class _Pinned(NamedTuple):
    """A reference, what its URI says, and the version to ask for."""

    reference: Reference
    uri: BucketUri
    version_id: str | None


class BucketHome:
    """A Home for the URIs of one scheme. `client` is closed with it."""

    def __init__(self, scheme: str, client: BucketClient) -> None:
        self._scheme = scheme
        self._client = client
        #: Buckets of servers that refuse conditions that hold.
        self._unconditional: set[str] = set()

    def expand(self, uri: str) -> Iterator[Found]:
        with _translated():
            yield from self._expand(uri)

    def look(self, reference: Reference) -> Reference:
        pinned = self._pin(reference)
        with _translated():
            facts = self._client.head(pinned.uri.bucket, pinned.uri.key, pinned.version_id)
        return self._as_recorded(pinned, facts)

    def fetch(self, reference: Reference, offset: int, length: int) -> Fetched:
        pinned = self._pin(reference)
        found, first = self._read(pinned, offset, min(length, MAX_PIECE))
        # What was not recorded is pinned now, so that one fetch never mixes two contents.
        return Fetched(offset, found.size, self._pieces(self._pin(found), offset, length, first))

    def close(self) -> None:
        self._client.close()

    @staticmethod
    def _pin(reference: Reference) -> _Pinned:
        uri = parse_bucket_uri(reference.uri)
        return _Pinned(reference, uri, reference.version_id or uri.version_id)

    def _expand(self, uri: str) -> Iterator[Found]:
        scheme, bucket, key, version_id = parse_bucket_uri(uri)
        refused: AccessDenied | None = None
        if key and (version_id is not None or not key.endswith("/")):
            try:
                facts = self._client.head(bucket, key, version_id)
            except (NotFound, AccessDenied) as error:
                if version_id is not None:
                    raise
                # Who may use what is below a prefix may often not ask for an object at its very name.
                refused = error if isinstance(error, AccessDenied) else None
            else:
                yield self._found(uri, key.rpartition("/")[2], facts)
                return
        prefix = f"{key}/" if key and not key.endswith("/") else key
        something = False
        try:
            for facts in self._client.iter_objects(bucket, prefix):
                something = True
                object_uri = format_bucket_uri(scheme, bucket, facts.key, facts.version_id)
                yield self._found(object_uri, facts.key[len(prefix) :], facts)
        except AccessDenied as error:
            if refused is None:
                raise
            raise AccessDenied(f"{error.message}; {uri} itself cannot be read either") from error
        if not something:
            if refused is not None:
                raise refused
            below = f", nor anything below {prefix!r}" if key else ""
            raise NotFound(f"there is nothing at {uri}{below}: check the address")

    @staticmethod
    def _found(uri: str, name: str, facts: ObjectFacts) -> Found:
        if facts.etag is None and facts.version_id is None:
            raise UserError(
                f"{uri} has neither an ETag nor a version that its content could be told by: add it with checksum=False"
            )
        return Found(name, Reference(uri, facts.etag, facts.version_id, facts.size), facts.modified_ns)

    def _as_recorded(self, pinned: _Pinned, facts: ObjectFacts) -> Reference:
        """What was found, in the terms in which it was recorded."""
        recorded, etag = pinned.reference, facts.etag
        if self._scheme == "gs" and recorded.version_id is not None and recorded.version_id == facts.version_id:
            etag = recorded.etag
        return Reference(recorded.uri, etag, facts.version_id, facts.size)

    def _pieces(self, pinned: _Pinned, offset: int, length: int, first: Piece) -> Iterator[Piece]:
        yield first
        end = offset + length
        if pinned.reference.size is not None:
            end = min(end, pinned.reference.size)
        offset += len(first)
        while offset < end:
            _, piece = self._read(pinned, offset, min(end - offset, MAX_PIECE))
            yield piece
            offset += len(piece)

    def _read(self, pinned: _Pinned, offset: int, length: int) -> tuple[Reference, Piece]:
        """Bytes of the content that was recorded, and of no other (I9), and what identifies it."""
        with _translated():
            try:
                facts, data = self._get(pinned, offset, length)
            except NotFound as error:
                if not is_recorded(pinned.reference):
                    raise
                raise self._gone(pinned) from error
        found = self._as_recorded(pinned, facts)
        if not is_same(pinned.reference, found):
            raise reference_changed(pinned.reference, found)
        return found, data

    def _get(self, pinned: _Pinned, offset: int, length: int) -> tuple[ObjectFacts, Piece]:
        client, (_, bucket, key, _) = self._client, pinned.uri
        if pinned.reference.size is not None and offset >= pinned.reference.size:
            return client.head(bucket, key, pinned.version_id), b""
        condition = self._condition(pinned)
        try:
            return client.get(bucket, key, offset, length, version_id=pinned.version_id, if_match=condition)
        except PreconditionFailed as error:
            now = self._as_recorded(pinned, client.head(bucket, key))
            if not is_same(pinned.reference, now):
                raise reference_changed(pinned.reference, now) from error
            self._unconditional.add(bucket)
            return client.get(bucket, key, offset, length, version_id=pinned.version_id)

    def _condition(self, pinned: _Pinned) -> str | None:
        """The ETag to ask for: only where no version is, and only a strong one, as a weak one never matches."""
        etag = pinned.reference.etag
        if etag is None or is_weak(etag) or pinned.version_id is not None or pinned.uri.bucket in self._unconditional:
            return None
        return etag

    def _gone(self, pinned: _Pinned) -> ArtfsError:
        """The error for a version or an object that was recorded and is not there, which tells what is there instead."""
        try:
            facts = self._client.head(pinned.uri.bucket, pinned.uri.key)
        except NotFound:
            return reference_changed(pinned.reference, "nothing")
        now = self._as_recorded(pinned, facts)
        if is_same(pinned.reference, now):
            return ReferenceUnavailable(
                f"{pinned.reference.uri} cannot be read: the server shows it, but does not give it; try again"
            )
        return reference_changed(pinned.reference, now)


@contextmanager
def _translated() -> Iterator[None]:
    """What a client cannot do for now, a home cannot do."""
    try:
        yield
    except TransientError as error:
        raise ReferenceUnavailable(error.message, no_answer=error.no_answer) from error
