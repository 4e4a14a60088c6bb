"""How much is asked of a web server, and brought from it: counted by nginx itself."""

from __future__ import annotations

import os

import pytest

from artfs.references.references import References
from tests.contract.references.homes import only_reference, read
from tests.servers.nginx import PASSWORD, USER, Nginx

DATA = bytes(range(256)) * 1200


@pytest.fixture
def server(http_server: Nginx) -> Nginx:
    http_server.requests()
    return http_server


def asked(server: Nginx) -> list[tuple[str, int]]:
    return [(request.method, request.status) for request in server.requests()]


def test_recording_is_one_head_and_reading_one_get(references: References, server: Nginx) -> None:
    reference = only_reference(references, server.put("requests/a.bin", DATA))
    assert asked(server) == [("HEAD", 200)]
    assert read(references, reference, 1000, 500) == DATA[1000:1500]
    (request,) = server.requests()
    assert (request.method, request.path, request.status, request.sent) == ("GET", "/requests/a.bin", 206, 500)
    assert (request.range, request.if_match) == ("bytes=1000-1499", reference.etag)


def test_a_range_of_a_hundred_gibibytes_transfers_that_range(references: References, server: Nginx) -> None:
    url = server.put("requests/huge.bin", b"")
    server.resize("requests/huge.bin", 100 << 30)
    reference = only_reference(references, url)
    assert reference.size == 100 << 30
    assert read(references, reference, 77 << 30, 1 << 20) == bytes(1 << 20)
    assert [(request.method, request.sent) for request in server.requests()] == [("HEAD", 0), ("GET", 1 << 20)]


def test_content_without_ranges_is_one_request(references: References, server: Nginx) -> None:
    server.put("requests/b.bin", DATA)
    reference = only_reference(references, server.url_of("requests/b.bin", "norange"))
    assert read(references, reference, 1000, 500) == DATA[1000:1500]
    assert asked(server) == [("HEAD", 200), ("GET", 200)]


def test_where_head_is_refused_the_body_of_the_get_is_not_brought(references: References, server: Nginx) -> None:
    server.put("requests/large.bin", b"")
    server.resize("requests/large.bin", 1 << 30)
    assert only_reference(references, server.url_of("requests/large.bin", "nohead")).size == 1 << 30
    head, get = server.requests()
    assert (head.status, get.status) == (405, 200)
    assert get.sent < 64 << 20


def test_connections_are_used_again(references: References, server: Nginx) -> None:
    reference = only_reference(references, server.put("requests/c.bin", DATA))
    for offset in range(50):
        read(references, reference, offset, 100)
    assert len({request.connection for request in server.requests()}) == 1


def test_a_server_that_compresses_is_asked_not_to(references: References, server: Nginx) -> None:
    server.put("requests/text.txt", b"text " * 5000)
    reference = only_reference(references, server.url_of("requests/text.txt", "gzip"))
    assert reference.size == 25_000
    assert reference.etag is not None
    assert not reference.etag.startswith("W/")
    assert read(references, reference) == b"text " * 5000
    assert {request.accept_encoding for request in server.requests()} == {"identity"}


def test_a_password_in_the_address_lets_in(references: References, server: Nginx) -> None:
    server.put("requests/private.bin", DATA)
    url = server.url_of("requests/private.bin", "private")
    given = url.replace("http://", f"http://{USER}:{PASSWORD.replace(' ', '%20')}@")
    assert read(references, only_reference(references, given), 0, 10) == DATA[:10]


def test_a_child_has_connections_of_its_own(references: References, server: Nginx) -> None:
    reference = only_reference(references, server.put("requests/d.bin", DATA))
    assert read(references, reference, 0, 100) == DATA[:100]
    child = os.fork()
    if child == 0:
        try:
            for offset in range(100):
                assert read(references, reference, offset, 10) == DATA[offset : offset + 10]
            os._exit(0)
        finally:
            os._exit(1)
    for offset in range(100):
        assert read(references, reference, 1000 + offset, 10) == DATA[1000 + offset : 1010 + offset]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
