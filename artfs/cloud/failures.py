"""What it means for the user that a bucket did not give what was asked for: one sentence for each kind of failure. Pure
functions."""

from __future__ import annotations

import re

from artfs.cloud.retry import TRANSIENT_STATUS, TryAgain, retry_after_s
from artfs.errors import AccessDenied, ArtfsError, ConfigNotValid, NotFound, NotInstalled, StoreFull, TransientError
from artfs.model.counted import counted

#: Codes in answers of S3 servers that mean the credentials themselves, not what they allow. Of some of them the status is 400.
NOT_VALID_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException"}
)
CLOCKS_DISAGREE = "the clocks of this machine and of the server disagree; set this one"
#: Refusals that other credentials would not change.
_NO_MATTER_OF_RIGHTS = {
    "InvalidObjectState": "the object is archived; have it restored first",
    "RequestTimeTooSkewed": CLOCKS_DISAGREE,
}
#: What was tried, and the right that it takes.
_RIGHT = {"read": "read it", "stored": "write it", "deleted": "delete it", "listed": "list it"}
NOT_SECURE = "no secure connection can be made"
#: Why a connection was not made, in the words of the libraries below.
_REASONS = (
    (
        re.compile(r"(?i)dns error|name or service not known|failed to resolve|nodename nor servname|temporary failure in name"),
        "its name is not known",
    ),
    (re.compile(r"(?i)connection ?refused"), "connection refused"),
    (re.compile(r"(?i)certificate|ssl|tls|InvalidContentType|InvalidMessage"), NOT_SECURE),
    (re.compile(r"(?i)timed ?out|timeout|elapsed"), "no answer in time"),
)


#: What OpenSSL does not like about a certificate.
_NOT_TRUSTED = re.compile(r"certificate verify failed: (.+?) *\(_ssl")


def reason_of(text: str) -> str:
    """Why a connection was not made, in few words."""
    return next((words for pattern, words in _REASONS if pattern.search(text)), "no connection")


def first_line(text: str) -> str:
    """The beginning of a vendor's message, without what it says about itself."""
    line = (text.strip().splitlines() or ["no reason given"])[0]
    return line.removeprefix("Generic S3 error: ").removeprefix("Generic GCS error: ")[:200]


def denied(uri: str, code: str, *, anonymous: bool, where: str, verb: str = "read") -> AccessDenied:
    """`where` says where credentials come from, for those who have to look there."""
    if code in _NO_MATTER_OF_RIGHTS:
        return AccessDenied(f"{uri} cannot be {verb}: {_NO_MATTER_OF_RIGHTS[code]} ({code})")
    reason = f" ({code})" if code else ""
    if anonymous:
        return AccessDenied(
            f"{uri} cannot be {verb}{reason}: no credentials were found, so that it was asked for anonymously; give some in {where}"
        )
    if code in NOT_VALID_CREDENTIALS:
        return AccessDenied(f"{uri} cannot be {verb}: the credentials are not valid{reason}; check those in {where}")
    return AccessDenied(
        f"{uri} cannot be {verb}: the credentials do not allow it{reason}; use others, or have them allowed to {_RIGHT[verb]}"
    )


def unavailable(uri: str, reason: str, verb: str = "read", *, no_answer: bool = False) -> TransientError:
    """It may be had later, or from elsewhere; `reason` says what happened."""
    return TransientError(
        f"{uri} cannot be {verb}: {reason}; check the address and the network, and try again", no_answer=no_answer
    )


def unreachable(uri: str, endpoint: str, reason: str, verb: str = "read") -> TransientError:
    """There was no connection to the endpoint."""
    return unavailable(uri, f"{endpoint} cannot be reached ({reason})", verb, no_answer=True)


def no_secure_connection(uri: str, endpoint: str, text: str, variable: str, verb: str = "read") -> TransientError:
    """TLS with the endpoint failed, as `text` of a library says; `variable` names the certificates that are trusted."""
    match = _NOT_TRUSTED.search(text)
    if match is None:
        return unreachable(uri, endpoint, reason_of(text), verb)
    return TransientError(
        f"{uri} cannot be {verb}: {endpoint} has a certificate that is not trusted: {match[1]}; if it is right, name the file of"
        f" the authority that signed it in {variable}"
    )


def elsewhere(uri: str, region: str, verb: str) -> ConfigNotValid:
    """The bucket is in another region, and nobody could go on there."""
    return ConfigNotValid(
        f"{uri} cannot be {verb}: the bucket is not in the region that was asked but in {region}; set AWS_DEFAULT_REGION"
    )


def full(uri: str, code: str) -> StoreFull:
    """Nothing more can be stored."""
    return StoreFull(
        f"{uri} cannot be stored: the object store has no room left ({code}); free some (`artfs gc` removes what no version needs) "
        "and try again"
    )


def no_object(uri: str) -> NotFound:
    """There is no such object, or version of it."""
    return NotFound(f"there is no {uri}: check the address")


def no_bucket(scheme: str, bucket: str) -> NotFound:
    """There is no such bucket."""
    return NotFound(f"there is no bucket {scheme}://{bucket}: check its name and the endpoint")


def not_installed(scheme: str, packages: str, extra: str) -> NotInstalled:
    """The vendor's packages are missing; `extra` is the one of artfs that brings them."""
    return NotInstalled(f"{scheme}:// needs the packages {packages}: pip install 'artfs[{extra}]'")


def of_status(uri: str, status: int, code: str, retry_after: str | None = None, verb: str = "read") -> ArtfsError | TryAgain:
    """The failure that a status other than 401, 403, 404 and 412 means."""
    words = f"the server answered {status}" + (f" {code}" if code and code != str(status) else "")
    racing = status == 409 and verb == "stored"  # another is storing an object under this key: soon it is there or not
    if status not in TRANSIENT_STATUS and not racing:
        return unavailable(uri, words, verb)
    wait_s = retry_after_s(retry_after)
    if wait_s:
        words += f", and asks to be left alone for {counted(round(wait_s), 'second')}"
    return TryAgain(unavailable(uri, words, verb), wait_s)
