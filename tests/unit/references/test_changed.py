"""Telling whether content is what was recorded."""

from __future__ import annotations

import pytest

from artfs.model.entry import Reference
from artfs.references.changed import describe_reference, is_recorded, is_same, recorded_digest, reference_changed, same_etag

URI = "https://h/a.bin"


@pytest.mark.parametrize(
    ("recorded", "found", "same"),
    [
        ('"a"', '"a"', True),
        ('"a"', '"A"', False),
        ('"a"', None, False),
        ('"a"', "a", False),
        ('W/"a"', 'W/"a"', True),
        ('W/"a"', '"a"', True),
        ('"a"', 'W/"a"', False),
        ("blake3:00", "blake3:00", True),
    ],
)
def test_a_weak_etag_never_stands_for_a_strong_one(recorded: str, found: str | None, same: bool) -> None:
    assert same_etag(recorded, found) is same


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (Reference(URI, '"a"', "v1", 5), True),
        (Reference(URI, '"a"', "v1"), True),
        (Reference(URI, '"a"', "v2", 5), False),
        (Reference(URI, '"b"', "v1", 5), False),
        (Reference(URI, '"a"', "v1", 6), False),
        (Reference(URI, '"a"', None, 5), False),
    ],
)
def test_content_is_the_same_when_all_that_is_known_of_both_is(found: Reference, same: bool) -> None:
    assert is_same(Reference(URI, '"a"', "v1", 5), found) is same


def test_what_was_not_recorded_is_no_difference() -> None:
    assert is_same(Reference(URI), Reference(URI, '"a"', "v", 5))
    assert not is_recorded(Reference(URI, size=5))
    assert is_recorded(Reference(URI, version_id="v"))


def test_the_error_says_what_was_recorded_and_what_is_there() -> None:
    error = reference_changed(Reference(URI, '"a"', None, 5), Reference(URI, '"b"', None, 6))
    assert (
        str(error)
        == f'{URI} is not what was recorded: recorded ETag "a", 5 bytes, found ETag "b", 6 bytes; restore it, or refer to it anew'
    )
    assert (error.uri, error.recorded, error.found) == (URI, 'ETag "a", 5 bytes', 'ETag "b", 6 bytes')


def test_what_is_gone_is_not_said_to_be_something_else() -> None:
    assert str(reference_changed(Reference(URI, '"a"'), "nothing")).startswith(
        f'{URI} is not there: recorded ETag "a", found nothing;'
    )
    assert str(reference_changed(Reference(URI), "nothing")).startswith(f"{URI} is not there: recorded nothing but its address, ")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (Reference(URI), "nothing but its address"),
        (Reference(URI, "blake3:" + "0" * 64, None, 0), f"digest {'0' * 64}, 0 bytes"),
        (Reference(URI, '"a"', "12"), 'ETag "a", version 12'),
    ],
)
def test_a_reference_is_described_by_what_identifies_it(reference: Reference, words: str) -> None:
    assert describe_reference(reference) == words


def test_an_etag_that_is_missing_now_is_said_to_be() -> None:
    assert reference_changed(Reference(URI, '"a"'), Reference(URI, size=3)).found == "no ETag, 3 bytes"
    assert reference_changed(Reference(URI, "blake3:0"), Reference(URI, size=3)).found == "3 bytes"


def test_secrets_stay_out_of_the_error() -> None:
    error = reference_changed(Reference(URI + "?sig=secret", '"a"'), "nothing")
    assert "secret" not in str(error)


def test_a_digest_is_told_from_an_etag() -> None:
    assert recorded_digest(Reference(URI, "blake3:12")) == "12"
    assert recorded_digest(Reference(URI, '"blake3:12"')) is None
    assert recorded_digest(Reference(URI)) is None
