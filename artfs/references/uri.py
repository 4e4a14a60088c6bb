"""URIs of references as text: their parts, and the two forms in which a bucket URI names a version.

`s3://bucket/key` and `gs://bucket/key` take the key as it is: `%`, `?` and `#` are characters of it like any other. Only a
`?versionId=ID` (s3) or `#GENERATION` (gs, digits) at the very end is not key. Those of http(s) and file are percent-encoded; a file
has neither query nor fragment. Pure functions; any thread.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from artfs.errors import TypeNotValid, UserError
from artfs.model.names import is_utf8
from artfs.model.secret_uris import has_secret, shown_uri

__all__ = [
    "BucketUri",
    "basename_of",
    "check_uri",
    "format_bucket_uri",
    "has_secret",
    "origin_of",
    "parse_bucket_uri",
    "scheme_of",
    "shown_uri",
]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BUCKET_SCHEMES = ("s3", "gs")
_VERSION_SUFFIX = {"s3": re.compile(r"\?versionId=([^?&#/]+)\Z"), "gs": re.compile(r"#([0-9]+)\Z")}


class BucketUri(NamedTuple):
    """`key` is empty for the whole bucket; `version_id` is what the URI itself says, else None."""

    scheme: str
    bucket: str
    key: str
    version_id: str | None


def scheme_of(uri: str) -> str:
    """The scheme in lower case, empty for what has none: a plain path."""
    match = _SCHEME.match(uri)
    return match[1].lower() if match else ""


def check_uri(uri: str) -> str:
    """`uri` if it may be that of a reference, else UserError; a plain path is told to write file://."""
    if not isinstance(uri, str):
        raise TypeNotValid(f"a reference must be given as text such as 's3://bucket/key', not {type(uri).__name__}")
    if _CONTROL.search(uri) or not is_utf8(uri):
        raise UserError(f"{uri!r} cannot be a reference: a URI has no control characters and is valid UTF-8")
    scheme = scheme_of(uri)
    if not scheme:
        raise UserError(f"{uri!r} is no URI: write file:///absolute/path to refer to a local file or folder, or add it as a file")
    if scheme in _BUCKET_SCHEMES:
        parse_bucket_uri(uri)
    elif scheme in ("http", "https"):
        _host_of(uri)
    return uri


def basename_of(uri: str) -> str:
    """The name of what the URI leads to: the last part of its path, decoded, without query; empty where it ends in `/`."""
    scheme = scheme_of(uri)
    if scheme in _BUCKET_SCHEMES:
        return parse_bucket_uri(uri).key.rpartition("/")[2]
    rest = uri.partition("://")[2]
    if scheme != "file":
        rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    # Bytes that are no UTF-8 become surrogates, which no name in an artifact has: they are refused there, with the name.
    return unquote(rest.partition("/")[2], errors="surrogateescape").rpartition("/")[2]


def origin_of(uri: str) -> str:
    """Who answers for the URI: its scheme and its host or bucket, without user and password."""
    scheme = scheme_of(uri)
    if scheme == "file":
        return "file://"
    return f"{scheme}://{_authority_of(uri).rpartition('@')[2]}"


def _authority_of(uri: str) -> str:
    """What stands between `://` and the path: user, host and port, or the bucket."""
    return re.split(r"[/?#]", uri.partition("://")[2], maxsplit=1)[0]


def parse_bucket_uri(uri: str) -> BucketUri:
    """The parts of an `s3://` or `gs://` URI. UserError without a bucket."""
    scheme = scheme_of(uri)
    bucket, _, key = uri.partition("://")[2].partition("/")
    if not bucket:
        raise UserError(f"{uri!r} names no bucket: write {scheme or 's3'}://bucket/key")
    suffix = _VERSION_SUFFIX[scheme].search(key)
    # A key is never empty, so a suffix that is all there is is a key itself.
    if suffix is None or suffix.start() == 0:
        return BucketUri(scheme, bucket, key, None)
    return BucketUri(scheme, bucket, key[: suffix.start()], suffix[1])


def format_bucket_uri(scheme: str, bucket: str, key: str, version_id: str | None) -> str:
    """The URI of an object, such that parsing it gives the key again.

    A key that itself ends in what looks like a version gets its own version appended, `null` being that of an s3 object without.
    """
    uri = f"{scheme}://{bucket}/{key}"
    if parse_bucket_uri(uri).key == key:
        return uri
    return f"{uri}?versionId={version_id or 'null'}" if scheme == "s3" else f"{uri}#{version_id or 0}"


def _host_of(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UserError(f"{shown_uri(uri)!r} is no valid address: {error}") from error
    if not host:
        raise UserError(f"{shown_uri(uri)!r} names no host: write {parts.scheme}://host/path")
    return host
