"""Web servers that cannot be reached, are not trusted, refuse or send elsewhere: one clear sentence for each."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from artfs.cloud.http import HTTP_POLICY
from artfs.errors import AccessDenied, ArtfsError, ConfigNotValid, NotFound, ReferenceUnavailable, UserError
from artfs.model.entry import Reference
from artfs.references.references import References
from tests.contract.references.homes import only_reference, read
from tests.contract.references.web import DATA, OpenWeb, sentence
from tests.servers.faulty_http import FaultyHttp, Reply, content
from tests.servers.program import free_ports


def test_a_host_that_refuses_connections_is_unreachable(web: References) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}/a.bin"
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, "cannot be reached", "connection refused", "check the network")


def test_a_host_without_a_name_is_told_at_once(web: References) -> None:
    url = "http://no-such-host.invalid/a.bin"
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, "no host of that name", "check the address")


@pytest.mark.parametrize("url", [f"http://{'x' * 70}.example/a", "http://a..b/x", "http://[::1/x"])
def test_an_address_that_cannot_be_is_refused(web: References, url: str) -> None:
    with pytest.raises(UserError) as caught:
        web.find(url)
    sentence(caught.value, url, "no valid address")


def test_a_server_that_says_nothing_is_left_within_the_time(open_web: OpenWeb) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.bin"
        with pytest.raises(ReferenceUnavailable) as caught:
            open_web(budget_s=0.3).find(url)
    sentence(caught.value, url, "did not answer in time", "try again")


def test_a_server_that_says_nothing_is_not_asked_for_each_of_many_references(open_web: OpenWeb) -> None:
    references = open_web(budget_s=0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        told = []
        for number in range(20):
            with pytest.raises(ReferenceUnavailable) as caught:
                references.look(Reference(f"http://127.0.0.1:{silent.getsockname()[1]}/{number}"))
            told.append(str(caught.value))
        silent.setblocking(False)
        connections = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                connections += 1
    # Each of the two that were asked for may be asked for again within its time.
    assert connections <= 2 * HTTP_POLICY.attempts
    assert sum("did not answer in time" in one for one in told) == 2
    assert sum("has just not answered" in one for one in told) == 18


def test_a_server_to_which_others_redirect_is_no_part_of_theirs(open_web: OpenWeb, faulty_http: FaultyHttp) -> None:
    references = open_web(budget_s=0.2)
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}/a.bin"
    for number in range(3):
        url = faulty_http.serve(f"/{number}", Reply(302, {"Location": nobody}))
        with pytest.raises(ReferenceUnavailable, match="cannot be reached"):
            references.look(Reference(url))
    assert references.look(Reference(faulty_http.serve("/a.bin", content(DATA)))).size == len(DATA)


def test_a_server_that_speaks_something_else_is_no_web_server(open_web: OpenWeb, faulty_http: FaultyHttp) -> None:
    url = faulty_http.url.replace("http://", "https://") + "/a.bin"
    with pytest.raises(ReferenceUnavailable) as caught:
        open_web().find(url)
    sentence(caught.value, url, "does not speak TLS", "http://")


def test_a_certificate_that_nobody_signed_is_not_trusted(web: References, self_signed_https: FaultyHttp) -> None:
    url = self_signed_https.serve("/a.bin", content(DATA))
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, "certificate that is not trusted", "self-signed", "SSL_CERT_FILE")
    assert not self_signed_https.asked


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_certificate_that_the_environment_names_is_trusted(
    open_web: OpenWeb, self_signed_https: FaultyHttp, variable: str
) -> None:
    references = open_web(**{variable: str(self_signed_https.certificate)})
    assert read(references, only_reference(references, self_signed_https.serve("/a.bin", content(DATA)))) == DATA


@pytest.mark.parametrize("name", ["missing.pem", "broken.pem"])
def test_certificates_that_cannot_be_read_are_told(open_web: OpenWeb, tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.pem").write_text("no certificate")
    with pytest.raises(ConfigNotValid) as caught:
        open_web(REQUESTS_CA_BUNDLE=str(tmp_path / name)).find("https://127.0.0.1:1/a.bin")
    sentence(caught.value, str(tmp_path / name), "REQUESTS_CA_BUNDLE", "PEM")


def test_a_certificate_of_another_host_is_not_trusted(open_web: OpenWeb, self_signed_https: FaultyHttp) -> None:
    references = open_web(SSL_CERT_FILE=str(self_signed_https.certificate))
    url = self_signed_https.serve("/a.bin", content(DATA)).replace("127.0.0.1", "localhost")
    with pytest.raises(ReferenceUnavailable) as caught:
        references.find(url)
    sentence(caught.value, url, "certificate that is not trusted", "localhost")


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, AccessDenied, ("refuses access (401 Unauthorized)", "~/.netrc")),
        (403, AccessDenied, ("refuses access (403 Forbidden)", "~/.netrc")),
        (404, NotFound, ("leads to nothing (404 Not Found)", "check the address")),
        (410, NotFound, ("leads to nothing (410 Gone)", "check the address")),
        (400, ReferenceUnavailable, ("does not give its content (400 Bad Request)", "check the address")),
        (204, ReferenceUnavailable, ("does not give its content (204 No Content)",)),
        (300, ReferenceUnavailable, ("does not give its content (300 Multiple Choices)",)),
        (418, ReferenceUnavailable, ("does not give its content (418",)),
        (599, ReferenceUnavailable, ("does not give its content (599)",)),
    ],
)
def test_a_status_is_told_with_what_to_do(
    web: References, faulty_http: FaultyHttp, status: int, kind: type[ArtfsError], words: tuple[str, ...]
) -> None:
    url = faulty_http.serve("/a.bin", Reply(status, body=b"<html>no</html>" if status != 204 else b""))
    with pytest.raises(kind) as caught:
        web.find(url)
    sentence(caught.value, url, *words)
    assert faulty_http.methods() == ["HEAD", "GET"]


def test_access_that_is_refused_later_is_told_when_reading(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", content(DATA))
    reference = only_reference(web, url)
    faulty_http.serve("/a.bin", Reply(403))
    for call in (lambda: read(web, reference, 0, 10), lambda: web.check(reference), lambda: web.look(reference)):
        with pytest.raises(AccessDenied) as caught:
            call()
        sentence(caught.value, url, "403")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    "headers", [{}, {"Retry-After": "0"}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {"Retry-After": "soon"}]
)
def test_what_may_pass_is_tried_again(web: References, faulty_http: FaultyHttp, status: int, headers: dict[str, str]) -> None:
    url = faulty_http.serve_in_turn("/a.bin", Reply(status, headers), Reply(status, headers, b"busy"), content(DATA))
    reference = only_reference(web, url)
    assert read(web, reference) == DATA
    # That HEAD fails may mean no more than that it is not known.
    assert faulty_http.methods() == ["HEAD", *(("HEAD", "HEAD") if status in {429, 503} else ("GET", "GET")), "GET"]


def test_a_short_wait_that_the_server_asks_for_is_kept(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve_in_turn("/a.bin", Reply(429, {"Retry-After": "1"}), content(DATA))
    assert only_reference(web, url).size == len(DATA)
    assert len(faulty_http.asked) == 2


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wait", ["3600", "Fri, 31 Dec 2998 23:59:59 GMT"])
def test_a_long_wait_that_the_server_asks_for_is_an_error_now(
    web: References, faulty_http: FaultyHttp, status: int, wait: str
) -> None:
    url = faulty_http.serve("/a.bin", Reply(status, {"Retry-After": wait}))
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, "asks to be left alone for", f"({status}", "try again after that")
    assert len(faulty_http.asked) == 1
    if wait == "3600":
        assert "3600 s" in str(caught.value)


def test_a_server_that_stays_busy_is_given_up(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", Reply(503))
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, "not available (503 Service Unavailable)", "try again later")
    assert faulty_http.methods() == ["HEAD"] * 5


def test_a_redirect_is_followed_and_the_address_given_is_recorded(web: References, faulty_http: FaultyHttp) -> None:
    faulty_http.serve("/there/real.bin", content(DATA))
    for number, status in enumerate((301, 302, 303, 307, 308)):
        location = "/there/real.bin" if number % 2 else f"{faulty_http.url}/there/real.bin"
        url = faulty_http.serve(f"/here-{number}.bin", Reply(status, {"Location": location}, b"moved"))
        (entry,) = web.find(url)
        assert entry.path == f"here-{number}.bin"
        assert entry.reference == Reference(url, '"one"', None, len(DATA))
        assert read(web, entry.reference, 5, 5) == DATA[5:10]


def test_redirects_in_a_circle_end(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", Reply(302, {"Location": "/b.bin"}))
    faulty_http.serve("/b.bin", Reply(302, {"Location": "/a.bin"}))
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, "redirected 10 times", "check the address")
    assert len(faulty_http.asked) == 11


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:text/plain,x", "http://[broken/x"])
def test_a_redirect_out_of_the_web_is_not_followed(web: References, faulty_http: FaultyHttp, location: str) -> None:
    url = faulty_http.serve("/a.bin", Reply(302, {"Location": location}))
    with pytest.raises(ArtfsError) as caught:
        web.find(url)
    sentence(caught.value, url)
    assert len(faulty_http.asked) == 1


def test_a_redirect_that_does_not_say_where_to_is_an_error(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", Reply(302))
    with pytest.raises(ReferenceUnavailable) as caught:
        web.find(url)
    sentence(caught.value, url, "302 Found")
