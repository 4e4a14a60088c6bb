"""The home of `http://` and `https://`: one object each, identified by its ETag, or by its digest where the server sends none.

Reading is pinned (I9): a strong ETag goes along as If-Match, and whatever answers, its ETag and size are compared before a byte is
used. Where the digest was recorded only the whole body can tell: it is read from the beginning, and its last piece is held back
until the digest is right. A server that knows no ranges gives the whole, too.

Blocking; any thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from artfs.cloud.http import HttpClient
from artfs.cloud.http_answer import HttpAnswer, HttpBody
from artfs.cloud.http_errors import ended_early
from artfs.errors import NotFound, ReferenceUnavailable
from artfs.model.digest import Digester, format_digest
from artfs.model.entry import Reference
from artfs.references.changed import DIGEST_PREFIX, is_recorded, is_weak, recorded_digest, reference_changed, same_etag
from artfs.references.protocol import Fetched, Found
from artfs.references.uri import basename_of, shown_uri

#: A body that is read for its digest may break off so many times.
_MOST_BREAKS = 3


class HttpHome:
    """`client` is closed with it."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def expand(self, uri: str) -> Iterator[Found]:
        etag, size, modified_ns = self._look(uri, digest=True, always=False)
        # A name that nobody sees: where the address has none at its end, it is asked for.
        yield Found(
            basename_of(uri) or "unnamed",
            Reference(uri, etag=etag, size=size),
            time.time_ns() if modified_ns is None else modified_ns,
        )

    def look(self, reference: Reference) -> Reference:
        has_digest = recorded_digest(reference) is not None
        # What is not compared with a digest needs none: a large body is not read for nothing.
        etag, size, _ = self._look(reference.uri, digest=has_digest, always=has_digest)
        return Reference(reference.uri, etag=etag, size=size)

    def fetch(self, reference: Reference, offset: int, length: int) -> Fetched:
        if reference.size is not None:
            length = min(length, reference.size - offset)
        if length <= 0:
            return Fetched(offset, reference.size, _Pieces(reference, None))
        try:
            if recorded_digest(reference) is not None:
                return self._fetch_whole(reference)
            return self._fetch_range(reference, offset, length)
        except NotFound as error:
            if not is_recorded(reference):
                raise
            raise reference_changed(reference, "nothing") from error

    def close(self) -> None:
        self._client.close()

    def _look(self, uri: str, *, digest: bool, always: bool) -> tuple[str | None, int | None, int | None]:
        """ETag, size and time of the content. With `digest` it stands for a missing ETag, or for any where `always`."""
        answer = None if always else self._client.head(uri)
        # Some servers say 0 for any content, as the answer to HEAD has no body.
        if answer is None or not answer.size or (digest and answer.etag is None):
            answer = self._client.get(uri)
        for _ in range(_MOST_BREAKS):
            try:
                return self._facts(answer, digest=digest, always=always)
            except ReferenceUnavailable:
                if not answer.body.broke_off:
                    raise
            # Without an ETag nothing says that a rest belongs to what has come: all of it is read again.
            answer = self._client.get(uri)
        return self._facts(answer, digest=digest, always=always)

    @staticmethod
    def _facts(answer: HttpAnswer, *, digest: bool, always: bool) -> tuple[str | None, int | None, int | None]:
        try:
            needs_digest = digest and (always or answer.etag is None)
            if not needs_digest and answer.size is not None:
                return answer.etag, answer.size, answer.modified_ns
            digester = Digester()
            for piece in answer.body:
                digester.update(piece)
            etag = DIGEST_PREFIX + format_digest(digester.digest()) if needs_digest else answer.etag
            return etag, answer.body.received, answer.modified_ns
        finally:
            answer.body.close()

    def _fetch_whole(self, reference: Reference) -> Fetched:
        answer = self._client.get(reference.uri)
        try:
            _check_size(reference, answer)
        except BaseException:
            answer.body.close()
            raise
        return Fetched(0, reference.size if answer.size is None else answer.size, _Pieces(reference, answer.body, is_whole=True))

    def _fetch_range(self, reference: Reference, offset: int, length: int) -> Fetched:
        etag = reference.etag
        if_match = etag if etag is not None and not is_weak(etag) else None
        answer = self._client.get(reference.uri, offset=offset, length=length, if_match=if_match)
        if answer.status == 412:
            found = self.look(reference)
            if etag is None or not same_etag(etag, found.etag):
                raise reference_changed(reference, found)
            # It refuses the ETag that it gives itself: asked without it, its answer's is compared.
            answer = self._client.get(reference.uri, offset=offset, length=length)
        try:
            return self._check_range(reference, offset, answer)
        except BaseException:
            answer.body.close()
            raise

    @staticmethod
    def _check_range(reference: Reference, offset: int, answer: HttpAnswer) -> Fetched:
        """The answer to a request for a range, once it is known to be of the content that was recorded."""
        size = reference.size if answer.size is None else answer.size
        if answer.status == 416:
            if reference.size is None:
                return Fetched(offset, size, _Pieces(reference, None))
            raise reference_changed(reference, f"no more than {offset if answer.size is None else answer.size} bytes")
        if reference.etag is not None and not same_etag(reference.etag, answer.etag):
            raise reference_changed(reference, Reference(reference.uri, etag=answer.etag, size=answer.size))
        _check_size(reference, answer)
        if answer.status == 412:
            raise ReferenceUnavailable(f"{shown_uri(reference.uri)} refuses a condition that was not made (412): try again later")
        if answer.status == 206:
            return Fetched(offset, size, _Pieces(reference, answer.body))
        return Fetched(0, size, _Pieces(reference, answer.body, is_whole=True))


def _check_size(reference: Reference, answer: HttpAnswer) -> None:
    if reference.size is not None and answer.size is not None and answer.size != reference.size:
        raise reference_changed(reference, Reference(reference.uri, etag=answer.etag, size=answer.size))


class _Pieces(Iterator[bytes]):
    """A body on its way to who asked, and the checks that only its end allows.

    A whole body must have the recorded size, and its last piece waits until the digest is right, if one was recorded.
    """

    def __init__(self, reference: Reference, body: HttpBody | None, *, is_whole: bool = False) -> None:
        self._reference = reference
        self._body = body
        self._is_whole = is_whole
        self._digester = Digester() if recorded_digest(reference) is not None else None
        self._held = b""

    def __next__(self) -> bytes:
        if self._body is None:
            raise StopIteration
        try:
            piece = self._next_of(self._body)
        except BaseException:
            self.close()
            raise
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def _next_of(self, body: HttpBody) -> bytes:
        piece = next(body, b"") if self._digester is None else self._next_held(body, self._digester)
        if not piece:
            self._check_end(body.received)
        return piece

    def _next_held(self, body: HttpBody, digester: Digester) -> bytes:
        """The piece before the one that comes now; the last one once the digest is right."""
        for piece in body:
            digester.update(piece)
            held, self._held = self._held, piece
            if held:
                return held
        found = format_digest(digester.digest())
        if found != recorded_digest(self._reference):
            raise reference_changed(self._reference, Reference(self._reference.uri, etag=DIGEST_PREFIX + found, size=body.received))
        held, self._held = self._held, b""
        return held

    def _check_end(self, received: int) -> None:
        size = self._reference.size
        if not self._is_whole or size is None or received == size:
            return
        if received < size:
            raise ended_early(self._reference.uri, received, size)
        raise reference_changed(self._reference, Reference(self._reference.uri, size=received))

    def close(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
