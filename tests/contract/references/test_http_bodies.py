"""Bodies and ranges that are not what they should be: one clear sentence for each, and never wrong bytes."""

from __future__ import annotations

import gc
import warnings
from dataclasses import replace

import pytest

from artfs.errors import ArtfsError, ReferenceChanged, ReferenceUnavailable
from artfs.model.entry import Reference
from artfs.references.references import References
from tests.contract.references.homes import only_reference, read
from tests.contract.references.web import DATA, OpenWeb, sentence
from tests.servers.faulty_http import Answer, Asked, FaultyHttp, Reply, content


def cut(data: bytes, after: int, etag: str | None = '"one"') -> Answer:
    """A server whose bodies break off, in any range, after so many bytes."""

    def answer(asked: Asked) -> Reply:
        return replace(content(data, etag)(asked), cut=after)

    return answer


def test_a_body_that_breaks_off_is_continued_where_it_is_known_to_be_the_same(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    faulty_http.serve_in_turn("/a.bin", cut(DATA, 1000), cut(DATA, 500), content(DATA))
    faulty_http.asked.clear()
    assert read(web, reference, 100, 5000) == DATA[100:5100]
    assert [asked.headers["range"] for asked in faulty_http.asked] == ["bytes=100-5099", "bytes=1100-5099", "bytes=1600-5099"]
    assert {asked.headers["if-match"] for asked in faulty_http.asked} == {'"one"'}


def test_a_body_is_not_continued_with_that_of_another_content(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    faulty_http.serve_in_turn("/a.bin", cut(DATA, 1000), content(bytes(len(DATA)), '"two"'))
    with pytest.raises(ReferenceUnavailable) as caught:
        read(web, reference, 0, 5000)
    sentence(caught.value, url, "broke off after 1000 of 5000 bytes", "try again")


def test_a_body_that_always_breaks_off_is_an_error(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", cut(DATA, 10))
    faulty_http.asked.clear()
    with pytest.raises(ReferenceUnavailable) as caught:
        read(web, reference, 0, 5000)
    sentence(caught.value, url, "broke off after 50 of 5000 bytes")
    assert len(faulty_http.asked) == 5


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_a_body_that_breaks_off_without_a_strong_etag_is_an_error(
    web: References, faulty_http: FaultyHttp, etag: str | None
) -> None:
    url = faulty_http.serve("/a.bin", content(DATA, etag))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", cut(DATA, 1000, etag))
    with pytest.raises(ReferenceUnavailable) as caught:
        read(web, reference, 0, 5000)
    sentence(caught.value, url, "broke off after 1000 of")


def test_a_body_that_breaks_off_while_it_is_recorded_is_an_error(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", cut(DATA, 1000, None))
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, f"broke off after 1000 of {len(DATA)} bytes", "try again")


def test_a_body_that_breaks_off_while_it_is_recorded_is_read_again(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve_in_turn("/a.bin", content(DATA, None), cut(DATA, 1000, None), cut(DATA, 10, None), content(DATA, None))
    reference = only_reference(web, url)
    assert faulty_http.methods() == ["HEAD", "GET", "GET", "GET"]
    assert reference.size == len(DATA)
    assert read(web, reference) == DATA


def test_a_body_that_stops_coming_is_left_within_the_time(open_web: OpenWeb, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    references = open_web(budget_s=0.4)
    reference = only_reference(references, url)
    faulty_http.serve("/a.bin", lambda asked: replace(content(DATA)(asked), cut=100, stalls=True))
    with pytest.raises(ReferenceUnavailable) as caught:
        read(references, reference, 0, 1000)
    sentence(caught.value, url, "stopped coming after 100 of 1000 bytes", "stuck", "try again")


def test_a_body_that_trickles_is_left_within_the_time(open_web: OpenWeb, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    references = open_web(budget_s=0.4)
    reference = only_reference(references, url)
    faulty_http.serve("/a.bin", lambda asked: replace(content(DATA)(asked), drip_s=0.01))
    with pytest.raises(ReferenceUnavailable) as caught:
        read(references, reference, 0, 1000)
    sentence(caught.value, url, "bytes in 0 s", "try again later")


@pytest.mark.parametrize("chunks", [b"5\r\nhello\r\n", b"5\r\nhel", b"zz\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n"])
def test_chunks_that_break_off_are_an_error(web: References, faulty_http: FaultyHttp, chunks: bytes) -> None:
    url = faulty_http.serve("/a.bin", Reply(200, {"Transfer-Encoding": "chunked", "Connection": "close"}, chunks, sized=False))
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, "broke off after")


@pytest.mark.parametrize("length", [len(DATA) + 5, 10**15])
def test_a_wrong_content_length_is_told(web: References, faulty_http: FaultyHttp, length: int) -> None:
    too_long = Reply(200, {"Content-Length": str(length)}, DATA)
    url = faulty_http.serve("/a.bin", too_long)
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, f"broke off after {len(DATA)} of {length} bytes")


def test_a_content_length_that_is_too_short_is_not_what_was_recorded(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", Reply(200, {"Content-Length": str(len(DATA) - 5), "ETag": '"one"'}, DATA))
    with pytest.raises(ReferenceChanged) as caught:
        read(web, reference)
    sentence(caught.value, url, f'recorded ETag "one", {len(DATA)} bytes', f'found ETag "one", {len(DATA) - 5} bytes')


@pytest.mark.parametrize("length", ["many", "-1", "1e3", ""])
def test_a_content_length_that_is_no_number_is_not_believed(web: References, faulty_http: FaultyHttp, length: str) -> None:
    url = faulty_http.serve("/a.bin", Reply(200, {"Content-Length": length, "ETag": '"one"'}, DATA))
    assert only_reference(web, url) == Reference(url, '"one"', None, len(DATA))


def test_two_content_lengths_are_an_error(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", Reply(200, {"Content-Length": "5", "content-length": "6", "ETag": '"one"'}, b"hello!"))
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url)
    del caught
    with warnings.catch_warnings():
        # urllib3 leaves the socket of an answer that it cannot read to the garbage collection.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_a_body_without_a_length_is_counted_once(web: References, faulty_http: FaultyHttp) -> None:
    chunked = Reply(200, {"Transfer-Encoding": "chunked", "ETag": '"one"'}, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", sized=False)
    url = faulty_http.serve("/a.bin", chunked)
    reference = only_reference(web, url)
    assert reference == Reference(url, '"one"', None, 11)
    assert read(web, reference) == b"hello world"
    assert read(web, reference, 6, 3) == b"wor"


@pytest.mark.parametrize(("body", "kind"), [(b"hell", ReferenceUnavailable), (b"hello!", ReferenceChanged)])
def test_a_body_without_a_length_must_have_the_recorded_one(
    web: References, faulty_http: FaultyHttp, body: bytes, kind: type[ArtfsError]
) -> None:
    url = faulty_http.serve("/a.bin", Reply(200, {"ETag": '"one"'}, b"hello", sized=False))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", Reply(200, {"ETag": '"one"'}, body, sized=False))
    with pytest.raises(kind) as caught:
        read(web, reference, 2, 2)
    sentence(caught.value, url)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(206, {"Content-Range": f"bytes 0-99/{len(DATA)}"}, DATA[0:100]),
        Reply(206, {"Content-Range": f"bytes 100-298/{len(DATA)}"}, DATA[100:299]),
        Reply(206, {"Content-Range": f"bytes 100-149/{len(DATA)}"}, DATA[100:150]),
        Reply(206, {"Content-Range": "bytes 100-199/150"}, DATA[100:200]),
        Reply(206, {"Content-Range": "bytes 100-149/*"}, DATA[100:150]),
        Reply(206, {"Content-Range": f"bytes 199-100/{len(DATA)}"}, b""),
        Reply(206, {"Content-Range": f"bytes 100-199/{len(DATA)}"}, DATA[100:190]),
        Reply(206, {"Content-Range": f"bytes 100-199/{len(DATA)}"}, DATA[100:210]),
        Reply(206, {"Content-Range": "items 1-2/3"}, DATA[100:200]),
        Reply(206, {"Content-Range": ""}, DATA[100:200]),
        Reply(206, {"Content-Type": "multipart/byteranges; boundary=x"}, b"--x\r\n\r\n" + DATA[100:200] + b"--x--"),
    ],
    ids=lambda reply: reply.headers.get("Content-Range", "parts") + f" with {len(reply.body)}",
)
def test_a_server_that_lies_about_ranges_is_not_believed(web: References, faulty_http: FaultyHttp, reply: Reply) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", replace(reply, headers={"ETag": '"one"', **reply.headers}))
    with pytest.raises(ReferenceUnavailable) as caught:
        read(web, reference, 100, 100)
    sentence(caught.value, url, "cannot be trusted", "tell who keeps the server")


@pytest.mark.parametrize("size", [99, 101])
def test_a_part_without_a_length_must_have_the_one_it_says(web: References, faulty_http: FaultyHttp, size: int) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    headers = {"ETag": '"one"', "Content-Range": f"bytes 100-199/{len(DATA)}"}
    faulty_http.serve("/a.bin", Reply(206, headers, DATA[100 : 100 + size], sized=False))
    with pytest.raises(ReferenceUnavailable) as caught:
        read(web, reference, 100, 100)
    sentence(caught.value, url)


def test_everything_in_the_place_of_a_range_is_taken_from_its_beginning(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", Reply(200, {"ETag": '"one"'}, DATA))
    reference = only_reference(web, url)
    faulty_http.asked.clear()
    for offset in (0, 100):
        fetched = web.fetch(reference, offset, 50)
        assert (fetched.start, fetched.size) == (0, len(DATA))
        assert b"".join(fetched.pieces) == DATA
    assert len(faulty_http.asked) == 2


def test_a_range_that_the_server_says_is_not_there_means_changed_content(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", Reply(416, {"Content-Range": "bytes */50"}))
    with pytest.raises(ReferenceChanged) as caught:
        read(web, reference, 100, 100)
    sentence(caught.value, url, "no more than 50 bytes")
