"""Content over HTTP and HTTPS, by urllib3: connections kept open, redirects, retries and time limits.

Asks for bytes as they are (`Accept-Encoding: identity`): compressed on the way, lengths and ranges would mean other bytes. What is
stored compressed comes as it is stored.

Redirects are followed here and not by urllib3, since the password for one host must not reach another, and a circle must be told
from an answer. They, retries (`retry`) and the body all end within one budget of time, of which only that counts in which the
server is waited for. Passwords come from the address or ~/.netrc, proxies and certificates from the environment
(`http_environment`).

Blocking; any thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Set
from urllib.parse import unquote, urljoin

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout, make_headers, parse_url

from artfs.cloud.http_answer import (
    Budget,
    HttpAnswer,
    HttpBody,
    check_range,
    etag_of,
    length_of,
    modified_ns_of,
    size_if_unsatisfied,
)
from artfs.cloud.http_environment import HttpEnvironment
from artfs.cloud.http_errors import (
    breaks_protocol,
    leads_elsewhere,
    leads_in_a_circle,
    may_pass,
    translate_error,
    translate_status,
)
from artfs.cloud.retry import TRANSIENT_STATUS, RetryPolicy, TryAgain, retry_after_s
from artfs.errors import NotInstalled
from artfs.version import __version__

USER_AGENT = f"artfs/{__version__}"
#: `last_start_s` is the whole budget here: no attempt lasts beyond it either.
HTTP_POLICY = RetryPolicy(attempts=5, last_start_s=45.0, connect_timeout_s=10.0, read_timeout_s=20.0, first_wait_s=0.25)
_MAX_REDIRECTS = 10
#: Statuses that say to come back later, whatever was asked.
_BUSY = frozenset({429, 503})
_CONNECTIONS_PER_HOST = 64
#: The body of a redirect or an error up to this size is read, so that its connection can be used again.
_SMALL_BODY = 16 << 10


class HttpClient:
    """`environ` is the environment of this process unless another is given."""

    def __init__(self, environ: Mapping[str, str] | None = None, policy: RetryPolicy = HTTP_POLICY) -> None:
        self._environment = HttpEnvironment(environ)
        self._policy = policy
        #: By process, scheme and proxy: after a fork the child must not talk into the connections of its parent.
        self._pools: dict[tuple[int, str, str | None], urllib3.PoolManager] = {}
        self._closed = threading.Event()

    def head(self, uri: str) -> HttpAnswer | None:
        """What the head of the content says; None where the server does not answer that question, though it may answer `get`."""
        budget = Budget(self._policy.last_start_s)
        # A server that fails at this question may answer the other one.
        response = self._exchange("HEAD", uri, {}, budget, retried=_BUSY)
        _let_go(response, "HEAD")
        return _answer(uri, response, budget, size=length_of(response)) if response.status == 200 else None

    def get(self, uri: str, *, offset: int = 0, length: int | None = None, if_match: str | None = None) -> HttpAnswer:
        """The content, or `length` bytes of it from `offset` on.

        The status of the answer is 200 (everything, whatever was asked), 206 (just what was asked, or less up to the end), 412
        (`if_match` does not) or 416 (there is nothing at `offset`); the latter two have no body. A body that breaks off is
        continued where the content is known to be the same.

        Raises NotFound, AccessDenied, and ReferenceUnavailable when there is no answer in time or a wrong one.
        """
        headers = {} if if_match is None else {"If-Match": if_match}
        is_range = offset > 0 or length is not None
        if is_range:
            headers["Range"] = f"bytes={offset}-{'' if length is None else offset + length - 1}"
        budget = Budget(self._policy.last_start_s)
        response = self._exchange("GET", uri, headers, budget)
        try:
            return self._read_head(uri, response, budget, offset, length) if is_range else self._read_whole(uri, response, budget)
        except BaseException:
            response.close()
            raise

    def close(self) -> None:
        """Close idle connections and end all waiting."""
        self._closed.set()
        for (process, *_), pool in list(self._pools.items()):
            if process == os.getpid():
                pool.clear()

    def _read_whole(self, uri: str, response: urllib3.BaseHTTPResponse, budget: Budget) -> HttpAnswer:
        if response.status == 412:
            return _answer(uri, _let_go(response), budget, size=None)
        if response.status != 200:
            _let_go(response)
            raise translate_status(uri, response.status)
        size = length_of(response)
        return _answer(uri, response, budget, size=size, body=self._body(uri, response, budget, 0, size))

    def _read_head(
        self, uri: str, response: urllib3.BaseHTTPResponse, budget: Budget, offset: int, length: int | None
    ) -> HttpAnswer:
        if response.status == 416:
            return _answer(uri, _let_go(response), budget, size=size_if_unsatisfied(response))
        if response.status != 206:
            return self._read_whole(uri, response, budget)
        count, size = check_range(uri, response, offset, length)
        return _answer(uri, response, budget, size=size, start=offset, body=self._body(uri, response, budget, offset, count))

    def _body(self, uri: str, response: urllib3.BaseHTTPResponse, budget: Budget, start: int, count: int | None) -> HttpBody:
        etag = etag_of(response.headers)
        attempts_left = self._policy.attempts - 1

        def resume(received: int) -> urllib3.BaseHTTPResponse | None:
            # Only a strong ETag says that what follows belongs to what was received.
            nonlocal attempts_left
            if etag is None or etag.startswith("W/") or not attempts_left or budget.left_s(received) <= 0:
                return None
            attempts_left -= 1
            length = None if count is None else count - received
            end = "" if length is None else start + received + length - 1
            headers = {"Range": f"bytes={start + received}-{end}", "If-Match": etag}
            again = self._exchange("GET", uri, headers, budget)
            try:
                if again.status != 206 or etag_of(again.headers) != etag:
                    again.close()
                    return None
                check_range(uri, again, start + received, length)
            except BaseException:
                again.close()
                raise
            return again

        return HttpBody(uri, response, count, budget, resume)

    def _exchange(
        self, method: str, uri: str, headers: Mapping[str, str], budget: Budget, *, retried: Set[int] = TRANSIENT_STATUS
    ) -> urllib3.BaseHTTPResponse:
        """The answer that is neither a redirect nor one that may be another one a little later."""
        address, hops = uri, 0

        def attempt() -> urllib3.BaseHTTPResponse:
            nonlocal address, hops  # where redirects have led is asked again, not where they began
            while True:
                response = self._ask(method, uri, address, headers, budget)
                location = response.get_redirect_location()
                if not location and response.status not in retried:
                    return response
                _let_go(response, method)
                if not location:
                    wait_s = retry_after_s(response.headers.get("Retry-After"))
                    raise TryAgain(translate_status(uri, response.status, wait_s), wait_s)
                address, hops = _follow(uri, address, location, hops), hops + 1

        def wait(seconds: float) -> None:
            with budget:
                self._closed.wait(seconds)

        return self._policy.run(attempt, left_s=lambda: 0 if self._closed.is_set() else budget.left_s(), wait=wait)

    def _ask(self, method: str, uri: str, address: str, headers: Mapping[str, str], budget: Budget) -> urllib3.BaseHTTPResponse:
        """Whatever is answered at `address`, to which `uri` has led."""
        try:
            with budget:
                return self._send(method, address, headers, budget)
        except (HTTPError, UnicodeError) as error:
            failure = translate_error(uri, address, error)
            raise (TryAgain(failure) if may_pass(error) else failure) from error

    def _send(self, method: str, address: str, headers: Mapping[str, str], budget: Budget) -> urllib3.BaseHTTPResponse:
        parts = parse_url(address)
        scheme, host = parts.scheme or "", (parts.host or "").strip("[]")
        user = self._environment.user_for(host) if parts.auth is None else unquote(parts.auth)
        left_s = max(0.1, budget.left_s())
        response: urllib3.BaseHTTPResponse = self._pool(scheme, host).request(
            method,
            parts._replace(auth=None, fragment=None).url,
            headers={
                "User-Agent": USER_AGENT,
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                **(make_headers(basic_auth=user) if user else {}),
                **headers,
            },
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
            timeout=Timeout(connect=min(self._policy.connect_timeout_s, left_s), read=min(self._policy.read_timeout_s, left_s)),
        )
        return response

    def _pool(self, scheme: str, host: str) -> urllib3.PoolManager:
        key = os.getpid(), scheme, self._environment.proxy_for(scheme, host)
        pool = self._pools.get(key)
        # No lock, as a fork may leave it held for ever: of two that are opened at once one is kept.
        return self._pools.setdefault(key, self._open_pool(scheme, key[2])) if pool is None else pool

    def _open_pool(self, scheme: str, proxy: str | None) -> urllib3.PoolManager:
        # Reading the certificates takes 30 ms.
        context = self._environment.ssl_context() if "https" in {scheme, (proxy or "").partition(":")[0]} else None
        if proxy is None:
            return urllib3.PoolManager(maxsize=_CONNECTIONS_PER_HOST, ssl_context=context)
        if proxy.startswith("socks"):
            raise NotInstalled(
                f"the proxy {proxy.partition('://')[0]}:// needs SOCKS, which artfs does not speak: use an HTTP proxy"
            )
        parts = parse_url(proxy)
        headers = make_headers(proxy_basic_auth=unquote(parts.auth)) if parts.auth else None
        return urllib3.ProxyManager(
            parts._replace(auth=None).url, maxsize=_CONNECTIONS_PER_HOST, ssl_context=context, proxy_headers=headers
        )


def _answer(
    uri: str,
    response: urllib3.BaseHTTPResponse,
    budget: Budget,
    *,
    size: int | None,
    start: int = 0,
    body: HttpBody | None = None,
) -> HttpAnswer:
    if body is None:
        body = HttpBody(uri, response, None, budget, lambda _: None)
        body.close()
    return HttpAnswer(response.status, etag_of(response.headers), modified_ns_of(response.headers), size, start, body)


def _follow(uri: str, address: str, location: str, hops: int) -> str:
    try:
        following = urljoin(address, location)
        scheme = parse_url(following).scheme
    except (HTTPError, ValueError) as error:
        raise breaks_protocol(uri, "it redirects to what is no address") from error
    if hops == _MAX_REDIRECTS:
        raise leads_in_a_circle(uri, following, hops)
    if scheme not in {"http", "https"}:
        raise leads_elsewhere(uri, following)
    return following


def _let_go(response: urllib3.BaseHTTPResponse, method: str = "GET") -> urllib3.BaseHTTPResponse:
    """Drop the body, and keep the connection where that costs nothing."""
    length = 0 if method == "HEAD" else length_of(response)
    if length is not None and length <= _SMALL_BODY:
        response.drain_conn()
    response.close()
    return response
