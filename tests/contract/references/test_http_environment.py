"""Passwords and proxies for the web, from where other programs take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from artfs.errors import AccessDenied, ReferenceUnavailable, UserError
from artfs.references.references import References
from tests.contract.references.homes import only_reference, read
from tests.contract.references.web import DATA, OpenWeb, sentence
from tests.servers.faulty_http import Asked, FaultyHttp, Reply, content
from tests.servers.program import free_ports


def private(asked: Asked) -> Reply:
    # base64 of `tester:let me in`
    if asked.headers.get("authorization") != "Basic dGVzdGVyOmxldCBtZSBpbg==":
        return Reply(401)
    return content(DATA)(asked)


def test_a_password_in_the_address_is_used_and_not_shown(web: References, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/a.bin", private)
    given = url.replace("http://", "http://tester:let%20me%20in@")
    assert read(web, only_reference(web, given)) == DATA
    with pytest.raises(AccessDenied) as caught:
        web.find(url.replace("http://", "http://tester:wrong@"))
    sentence(caught.value, "http://…@127.0.0.1", "401")
    assert "wrong" not in str(caught.value)


def test_a_password_in_netrc_is_used_for_its_host_alone(open_web: OpenWeb, faulty_http: FaultyHttp, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text('machine 127.0.0.1 login tester password "let me in"\n')
    references = open_web(NETRC=str(tmp_path / "netrc"))
    url = faulty_http.serve("/a.bin", private)
    assert read(references, only_reference(references, url)) == DATA
    with pytest.raises(AccessDenied):
        references.find(url.replace("127.0.0.1", "localhost"))


def test_a_password_does_not_follow_a_redirect_to_another_host(web: References, faulty_http: FaultyHttp) -> None:
    elsewhere = faulty_http.serve("/b.bin", content(DATA)).replace("127.0.0.1", "localhost")
    url = faulty_http.serve("/a.bin", Reply(302, {"Location": elsewhere})).replace("http://", "http://tester:secret@")
    only_reference(web, url)
    first, second = faulty_http.asked
    assert "authorization" in first.headers
    assert "authorization" not in second.headers


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_is_asked_where_the_environment_names_one(open_web: OpenWeb, faulty_http: FaultyHttp, variable: str) -> None:
    faulty_http.serve("http://somewhere.invalid/a.bin", content(DATA))
    references = open_web(**{variable: faulty_http.url.replace("http://", "http://tester:let%20me%20in@")})
    assert read(references, only_reference(references, "http://somewhere.invalid/a.bin")) == DATA
    assert faulty_http.asked[0].headers["proxy-authorization"] == "Basic dGVzdGVyOmxldCBtZSBpbg=="


def test_hosts_that_need_no_proxy_are_asked_directly(open_web: OpenWeb, faulty_http: FaultyHttp) -> None:
    references = open_web(http_proxy=f"127.0.0.1:{free_ports(1)[0]}", NO_PROXY="example.org,127.0.0.1")
    assert read(references, only_reference(references, faulty_http.serve("/a.bin", content(DATA)))) == DATA


def test_a_proxy_that_is_not_there_is_told(open_web: OpenWeb) -> None:
    references = open_web(http_proxy=f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(ReferenceUnavailable) as caught:
        references.find("http://somewhere.invalid/a.bin")
    sentence(caught.value, "http://somewhere.invalid/a.bin", "through the proxy", "connection refused", "HTTP_PROXY")


def test_a_proxy_that_artfs_does_not_speak_to_is_told(open_web: OpenWeb) -> None:
    with pytest.raises(UserError) as caught:
        open_web(ALL_PROXY="socks5://127.0.0.1:1").find("http://somewhere.invalid/a.bin")
    sentence(caught.value, "socks5://", "HTTP proxy")
