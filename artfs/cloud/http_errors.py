"""What goes wrong over HTTP, as errors of artfs: one sentence with the address and what to do. Pure functions; any thread."""

from __future__ import annotations

import socket
import ssl
from http import HTTPStatus

from urllib3 import exceptions as http

from artfs.cloud.retry import TRANSIENT_STATUS
from artfs.errors import AccessDenied, ArtfsError, NotFound, ReferenceUnavailable, UserError
from artfs.model.counted import counted
from artfs.model.secret_uris import has_secret, shown_uri


def translate_status(uri: str, status: int, wait_s: float | None = None) -> ArtfsError:
    """The error for an answer that is not the content. `wait_s` is for how long the server asks to be left alone."""
    shown = shown_uri(uri)
    answer = f"{status} {_phrase(status)}".strip()
    if status in {404, 410}:
        return NotFound(f"{shown} leads to nothing ({answer}): check the address")
    if status in {401, 403, 407, 451}:
        remedy = "give a user and password in ~/.netrc, or ask who keeps it"
        if has_secret(uri):
            remedy = "its signature, token or password does not let in, or not any more; refer to it with another"
        return AccessDenied(f"{shown} refuses access ({answer}): {remedy}")
    if wait_s:
        return ReferenceUnavailable(f"{shown} asks to be left alone for {wait_s:.0f} s ({answer}): try again after that")
    if status in TRANSIENT_STATUS:
        return ReferenceUnavailable(f"{shown} is not available ({answer}): try again later")
    return ReferenceUnavailable(f"{shown} does not give its content ({answer}): check the address")


def leads_in_a_circle(uri: str, last: str, hops: int) -> ReferenceUnavailable:
    return ReferenceUnavailable(
        f"{shown_uri(uri)} was redirected {counted(hops, 'time')} and no content came, the last time to {shown_uri(last)}: "
        "check the address"
    )


def leads_elsewhere(uri: str, last: str) -> ReferenceUnavailable:
    return ReferenceUnavailable(f"{shown_uri(uri)} redirects to {shown_uri(last)}, which is no address of http or https: check it")


def breaks_protocol(uri: str, what: str) -> ReferenceUnavailable:
    """For a server that does not do what the protocol says."""
    return ReferenceUnavailable(
        f"{shown_uri(uri)} cannot be trusted: {what}; tell who keeps the server, or refer to a copy elsewhere"
    )


def ended_early(uri: str, received: int, expected: int | None) -> ReferenceUnavailable:
    return ReferenceUnavailable(f"{shown_uri(uri)} broke off after {_arrived(received, expected)}: try again")


def stalled(uri: str, received: int, expected: int | None) -> ReferenceUnavailable:
    return ReferenceUnavailable(
        f"{shown_uri(uri)} stopped coming after {_arrived(received, expected)}: its server is stuck; try again later"
    )


def _arrived(received: int, expected: int | None) -> str:
    return counted(received, "byte") if expected is None else f"{received} of {counted(expected, 'byte')}"


def too_slow(uri: str, received: int, waited_s: float) -> ReferenceUnavailable:
    return ReferenceUnavailable(f"{shown_uri(uri)} sent only {counted(received, 'byte')} in {waited_s:.0f} s: try again later")


def may_pass(error: Exception) -> bool:
    """True for what may go well a little later: not for a name that does not exist, nor for a certificate that is not trusted."""
    if isinstance(error, http.ProxyError):
        return may_pass(error.original_error)
    if isinstance(error, http.NameResolutionError):
        return isinstance(error.__cause__, socket.gaierror) and error.__cause__.errno == socket.EAI_AGAIN
    return isinstance(error, (http.TimeoutError, http.NewConnectionError, http.ProtocolError))


def translate_error(uri: str, address: str, error: Exception) -> ArtfsError:
    """The error for a request that got no answer. `address` is where `uri` had been redirected to."""
    shown = shown_uri(uri)
    if address != uri:
        shown += f", redirected to {shown_uri(address)},"
    if isinstance(error, http.ProxyError):
        reason = _reason(error.original_error)
        return ReferenceUnavailable(f"{shown} cannot be reached through the proxy: {reason}; check HTTP_PROXY and HTTPS_PROXY")
    if isinstance(error, http.SSLError):
        return _translate_tls(shown, error)
    if isinstance(error, (http.LocationValueError, http.URLSchemeUnknown, UnicodeError)):
        return UserError(f"{shown} is no valid address: {error}")
    no_answer = address == uri and not isinstance(error, http.ProtocolError)  # another host's silence is not that of this one
    remedy = "check the address and the network"
    if not isinstance(error, http.NameResolutionError):
        remedy = "check the network, and try again"
    return ReferenceUnavailable(f"{shown} cannot be reached: {_reason(error)}; {remedy}", no_answer=no_answer)


def _translate_tls(shown: str, error: http.SSLError) -> ArtfsError:
    cause = error.args[0] if error.args else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ReferenceUnavailable(
            f"{shown} has a certificate that is not trusted: {cause.verify_message};"
            f" if it is right, name the file of the authority that signed it in SSL_CERT_FILE"
        )
    reason = getattr(cause, "reason", None) or cause
    return ReferenceUnavailable(f"{shown} does not speak TLS as it should: {reason}; check whether it is http:// or another port")


def _reason(error: BaseException) -> str:
    if isinstance(error, http.NameResolutionError):
        temporary = isinstance(error.__cause__, socket.gaierror) and error.__cause__.errno == socket.EAI_AGAIN
        return "its name could not be resolved" if temporary else "there is no host of that name"
    if isinstance(error, http.TimeoutError) and not isinstance(error, http.NewConnectionError):
        return "it did not answer in time"
    cause = error.__cause__ if isinstance(error, http.NewConnectionError) else error.args[-1] if error.args else None
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    if isinstance(error, http.ProtocolError):
        return "it broke off the connection, or does not speak HTTP"
    return str(error)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
