"""URIs as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artfs.errors import TypeNotValid, UserError
from artfs.references.uri import (
    basename_of,
    check_uri,
    format_bucket_uri,
    has_secret,
    origin_of,
    parse_bucket_uri,
    scheme_of,
    shown_uri,
)


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("s3://b/k", "s3"),
        ("S3://b/k", "s3"),
        ("https://h/p", "https"),
        ("file:///a", "file"),
        ("git+ssh://h/p", "git+ssh"),
        ("/plain/path", ""),
        ("plain", ""),
        ("name:v3", ""),
        ("c:/windows", ""),
        ("1s3://b/k", ""),
        ("://b", ""),
        ("", ""),
    ],
)
def test_the_scheme_is_what_stands_before_the_slashes(uri: str, scheme: str) -> None:
    assert scheme_of(uri) == scheme


@pytest.mark.parametrize("path", ["/data/images", "images/cat.png", "", "model:v3"])
def test_a_plain_path_is_told_to_write_file(path: str) -> None:
    with pytest.raises(UserError, match="file:///absolute/path") as caught:
        check_uri(path)
    assert repr(path) in str(caught.value)


@pytest.mark.parametrize("uri", ["s3://", "s3:///key", "gs://", "http://", "https:///path", "http://host:port/x", "http://[::1/x"])
def test_a_uri_without_a_bucket_or_host_is_refused(uri: str) -> None:
    with pytest.raises(UserError, match=r"names no (bucket|host)|no valid address"):
        check_uri(uri)


@pytest.mark.parametrize("uri", ["http://h/a\nb", "s3://b/\0", "s3://b/\ud800", "http://h/\x7f"])
def test_control_characters_and_broken_text_are_refused(uri: str) -> None:
    with pytest.raises(UserError, match="control characters"):
        check_uri(uri)


def test_a_uri_is_text() -> None:
    with pytest.raises(TypeNotValid, match="not int"):
        check_uri(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("http://h/data/cat.png?size=3/4#top", "cat.png"),
        ("https://h/a%20b%C3%A4.txt", "a bä.txt"),
        ("https://h/a%2Fb", "b"),
        ("https://h/100%", "100%"),
        ("https://h?x=/y", ""),
        ("https://h/", ""),
        ("https://h", ""),
        ("https://h/dir/", ""),
        ("s3://b/a/b%20c?d#e", "b%20c?d#e"),
        ("s3://b/a/k?versionId=v1", "k"),
        ("gs://b/a/k#17", "k"),
        ("gs://b/a/k#x17", "k#x17"),
        ("s3://b", ""),
        ("s3://b/a/", ""),
        ("file:///a/b%23c", "b#c"),
        ("file:///a/b#c?d", "b#c?d"),
        ("doi://10.1234/abc?x=1", "abc"),
    ],
)
def test_the_basename_is_decoded_and_without_query(uri: str, name: str) -> None:
    assert basename_of(uri) == name


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://user:pw@host:81/p?q", "https://host:81"),
        ("s3://bucket/a/b", "s3://bucket"),
        ("gs://bucket", "gs://bucket"),
        ("file:///a/b", "file://"),
        ("http://host?x=@y", "http://host"),
    ],
)
def test_the_origin_is_who_answers(uri: str, origin: str) -> None:
    assert origin_of(uri) == origin


@pytest.mark.parametrize(
    "uri",
    [
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=abc&X-Amz-Date=1",
        "https://h/k?x-amz-signature=abc",
        "https://storage.googleapis.com/b/k?X-Goog-Signature=abc",
        "https://h/k?Expires=1&Signature=abc",
        "https://h.blob.core.windows.net/c/k?sv=1&sig=abc",
        "https://h/k?AWSAccessKeyId=A",
        "https://h/k?X-Amz-Security-Token=t",
        "https://h/k?token=secret",
        "https://h/k?a=1&access_token=secret#x",
        "https://h/k?Expires=1&Policy=secret&Key-Pair-Id=1",
        *(f"https://h/k?a=1&{name}=secret" for name in ("key", "auth", "jwt", "hmac", "hdnea")),
        "https://user:secret@h/k",
        "https://secret@h/k",
        "ftp://user:secret@h/k",
    ],
)
def test_a_uri_that_lets_people_in_is_told_and_not_shown(uri: str) -> None:
    assert has_secret(uri)
    shown = shown_uri(uri)
    assert "secret" not in shown
    assert "abc" not in shown
    assert shown.startswith(uri[:5])


@pytest.mark.parametrize(
    "uri",
    [
        "https://h/k?x=1",
        "https://h/token=3",
        "s3://b/k?token=x",
        "file:///a@b:c",
        "https://h/@x:y",
        "ssh://git@h/x",
        "https://h/k?sig=",
    ],
)
def test_a_uri_without_secrets_is_shown_as_it_is(uri: str) -> None:
    assert not has_secret(uri)
    assert shown_uri(uri) == uri


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://b", ("s3", "b", "", None)),
        ("s3://b/", ("s3", "b", "", None)),
        ("s3://b/a//b/", ("s3", "b", "a//b/", None)),
        ("s3://b/a%20b?x=1#f", ("s3", "b", "a%20b?x=1#f", None)),
        ("s3://b/k?versionId=abc.DEF_1-2", ("s3", "b", "k", "abc.DEF_1-2")),
        ("s3://b/k?versionId=", ("s3", "b", "k?versionId=", None)),
        ("s3://b/k?versionId=a?versionId=b", ("s3", "b", "k?versionId=a", "b")),
        ("s3://b/k#12", ("s3", "b", "k#12", None)),
        ("s3://b/?versionId=a", ("s3", "b", "?versionId=a", None)),
        ("gs://b/k#1234567890123456", ("gs", "b", "k", "1234567890123456")),
        ("gs://b/k#1a", ("gs", "b", "k#1a", None)),
        ("gs://b/k?versionId=1", ("gs", "b", "k?versionId=1", None)),
        ("S3://B/K", ("s3", "B", "K", None)),
    ],
)
def test_a_bucket_uri_has_a_key_as_it_is_and_maybe_a_version(uri: str, expected: tuple[str, str, str, str | None]) -> None:
    assert parse_bucket_uri(uri) == expected


@given(
    st.sampled_from(["s3", "gs"]),
    st.text(st.sampled_from("a/?#=%1versionId "), min_size=1),
    st.sampled_from([None, "1", "123"]),
)
def test_formatting_and_parsing_give_the_key_again(scheme: str, key: str, version_id: str | None) -> None:
    parts = parse_bucket_uri(format_bucket_uri(scheme, "bucket", key, version_id))
    assert (parts.scheme, parts.bucket, parts.key) == (scheme, "bucket", key)


@pytest.mark.parametrize("key", ["k?versionId=x", "k#12", "?versionId=x", "#5", "k?versionId=x?versionId=y", "a#1#2"])
@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize("version_id", [None, "7"])
def test_keys_that_read_like_versions_survive(scheme: str, key: str, version_id: str | None) -> None:
    assert parse_bucket_uri(format_bucket_uri(scheme, "b", key, version_id)).key == key
