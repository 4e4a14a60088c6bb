"""Content on the web that changes, and what is asked to tell."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from artfs.errors import AccessDenied, ReferenceChanged, UserError
from artfs.model.entry import Reference
from artfs.references.protocol import Piece
from artfs.references.references import References
from tests.contract.references.homes import only_reference, read
from tests.contract.references.web import DATA, sentence
from tests.servers.faulty_http import Answer, Asked, FaultyHttp, Reply, content


def test_an_etag_that_changes_between_two_ranges_is_told(web: References, faulty_http: FaultyHttp) -> None:
    def ignoring_if_match(etag: str) -> Answer:
        return lambda asked: content(DATA, etag)(
            asked._replace(headers={name: value for name, value in asked.headers.items() if name != "if-match"})
        )

    url = faulty_http.serve("/a.bin", ignoring_if_match('"one"'))
    reference = only_reference(web, url)
    assert read(web, reference, 0, 100) == DATA[:100]
    for now in ('"two"', 'W/"one"', '"ONE"', "one"):
        faulty_http.serve("/a.bin", ignoring_if_match(now))
        with pytest.raises(ReferenceChanged) as caught:
            read(web, reference, 100, 100)
        sentence(caught.value, url, 'recorded ETag "one"', f"found ETag {now}")


def test_an_etag_that_is_not_sent_any_more_is_told(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", content(DATA, None))
    with pytest.raises(ReferenceChanged) as caught:
        read(web, reference, 100, 100)
    sentence(caught.value, url, 'recorded ETag "one"', f"found no ETag, {len(DATA)} bytes")


def test_a_server_whose_if_match_never_matches_is_asked_without(web: References, faulty_http: FaultyHttp) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(412) if "if-match" in asked.headers else content(DATA)(asked)

    reference = only_reference(web, faulty_http.serve("/a.bin", answer))
    assert read(web, reference, 100, 100) == DATA[100:200]


def test_a_condition_that_does_not_hold_says_what_is_there_now(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", content(DATA[:50], '"two"'))
    faulty_http.asked.clear()
    with pytest.raises(ReferenceChanged) as caught:
        read(web, reference, 0, 10)
    sentence(caught.value, url, f'recorded ETag "one", {len(DATA)} bytes', 'found ETag "two", 50 bytes')
    assert faulty_http.methods() == ["GET", "HEAD"]


def test_a_weak_etag_is_compared_and_not_asked_for(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA, 'W/"one"'))
    reference = only_reference(web, url)
    assert reference.etag == 'W/"one"'
    assert read(web, reference, 100, 100) == DATA[100:200]
    assert all("if-match" not in asked.headers for asked in faulty_http.asked)
    faulty_http.serve("/a.bin", content(DATA, 'W/"two"'))
    with pytest.raises(ReferenceChanged):
        read(web, reference, 100, 100)


def test_content_without_an_etag_is_recorded_by_its_digest(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA, None))
    reference = only_reference(web, url)
    assert reference.etag is not None
    assert reference.etag.startswith("blake3:")
    assert read(web, reference, 100, 100) == DATA[100:200]
    assert faulty_http.methods() == ["HEAD", "GET", "GET"]


def test_the_end_of_content_with_another_digest_never_comes(web: References, faulty_http: FaultyHttp) -> None:
    data = DATA * 20
    url = faulty_http.serve("/a.bin", content(data, None))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", content(data[:-1] + b"x", None))
    came: list[Piece] = []
    with pytest.raises(ReferenceChanged) as caught:
        came.extend(web.fetch(reference, 0, 10).pieces)
    assert sum(map(len, came)) < len(data)
    sentence(caught.value, url, "recorded digest", "found digest", f"{len(data)} bytes")


def test_without_checksum_an_etag_is_taken_and_no_body_read(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA, None))
    (entry,) = web.find(url, checksum=False)
    assert not faulty_http.asked
    assert entry.reference is not None
    assert web.look(entry.reference) == Reference(url, None, None, len(DATA))
    assert faulty_http.methods() == ["HEAD"]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500, 501, 502])
def test_a_server_that_refuses_head_is_asked_for_the_content(web: References, faulty_http: FaultyHttp, status: int) -> None:
    url = faulty_http.serve("/a.bin", lambda asked: Reply(status) if asked.method == "HEAD" else content(DATA)(asked))
    assert only_reference(web, url) == Reference(url, '"one"', None, len(DATA))
    assert faulty_http.methods() == ["HEAD", "GET"]


def test_a_head_that_says_nothing_is_there_is_not_believed(web: References, faulty_http: FaultyHttp) -> None:
    empty = Reply(200, {"ETag": '"one"'})
    url = faulty_http.serve("/a.bin", lambda asked: empty if asked.method == "HEAD" else content(DATA)(asked))
    assert only_reference(web, url).size == len(DATA)


def test_the_head_of_large_content_does_not_bring_its_body(web: References, faulty_http: FaultyHttp) -> None:
    large = Reply(200, {"ETag": '"one"', "Content-Length": str(1 << 40)}, DATA, stalls=True)
    url = faulty_http.serve("/a.bin", lambda asked: Reply(405) if asked.method == "HEAD" else large)
    assert only_reference(web, url) == Reference(url, '"one"', None, 1 << 40)


def test_bytes_are_asked_for_as_they_are_under_the_name_of_artfs(web: References, faulty_http: FaultyHttp) -> None:
    reference = only_reference(web, faulty_http.serve("/a.bin", content(DATA)))
    read(web, reference, 10, 10)
    for asked in faulty_http.asked:
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.headers["user-agent"].startswith("artfs/")
    assert faulty_http.asked[-1].headers["range"] == "bytes=10-19"


def test_what_is_stored_compressed_comes_as_it_is_stored(web: References, faulty_http: FaultyHttp) -> None:
    stored = content(b"\x1f\x8b not really", '"one"')

    def answer(asked: Asked) -> Reply:
        reply = stored(asked)
        return replace(reply, headers={**reply.headers, "Content-Encoding": "gzip"})

    reference = only_reference(web, faulty_http.serve("/a.gz", answer))
    assert read(web, reference) == b"\x1f\x8b not really"


def test_an_address_without_a_name_at_its_end_needs_one(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/", content(DATA))
    with pytest.raises(UserError) as caught:
        web.find(url)
    sentence(caught.value, url, "name=")
    (entry,) = web.find(url, name="index.html")
    assert entry.path == "index.html"


@pytest.mark.parametrize(
    ("said", "modified_s"),
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_480),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 1_445_412_480),
        ("yesterday", None),
        ("", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Wed, 21 Oct 1915 07:28:00 GMT", None),
    ],
)
def test_the_time_is_that_of_the_last_modification_where_it_can_be(
    web: References, faulty_http: FaultyHttp, said: str, modified_s: int | None
) -> None:
    url = faulty_http.serve("/a.bin", Reply(200, {"ETag": '"one"', "Last-Modified": said}, DATA))
    before_ns = time.time_ns()
    (entry,) = web.find(url)
    if modified_s is None:
        assert before_ns <= entry.mtime_ns <= time.time_ns()
    else:
        assert entry.mtime_ns == modified_s * 10**9


def test_a_signed_url_is_recorded_as_given_and_not_shown(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/dir/a%20b.bin", content(DATA)) + "?X-Amz-Date=1&X-Amz-Signature=secret"
    (entry,) = web.find(url)
    assert entry.path == "a b.bin"
    assert entry.reference is not None
    assert entry.reference.uri == url
    assert faulty_http.asked[0].path.endswith("secret")
    faulty_http.serve("/dir/a%20b.bin", Reply(403))
    with pytest.raises(AccessDenied) as caught:
        read(web, entry.reference)
    sentence(caught.value, faulty_http.url, "X-Amz-Signature=…", "refer to it with another")
    assert "secret" not in str(caught.value)
