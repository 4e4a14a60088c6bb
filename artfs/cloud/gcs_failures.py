"""What an exception of google-cloud-storage means. Pure functions; any thread."""

from __future__ import annotations

import re
from typing import Any

from artfs.cloud.buckets import PreconditionFailed
from artfs.cloud.failures import (
    CLOCKS_DISAGREE,
    denied,
    first_line,
    full,
    no_bucket,
    no_object,
    no_secure_connection,
    of_status,
    reason_of,
    unavailable,
    unreachable,
)
from artfs.cloud.gcs_session import GcsSession
from artfs.cloud.retry import TryAgain
from artfs.errors import AccessDenied, ArtfsError, UserError

#: What Google says of a request for a token that was, or ends, at a time of which it thinks otherwise.
_TIMES_IN_TOKEN = re.compile(r"Invalid JWT.*\biat\b", re.DOTALL)
WHERE_CREDENTIALS_ARE = "GOOGLE_APPLICATION_CREDENTIALS, or by `gcloud auth application-default login`"


def explained(error: Exception, uri: str, session: GcsSession, verb: str = "read") -> ArtfsError | TryAgain | PreconditionFailed:
    """What to raise instead of an exception of the SDK: TryAgain for what may pass.

    `uri` is the object that was asked for, or the bucket whose list was.
    """
    import requests.exceptions
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, GoogleAPICallError):
        return _of_answer(error, uri, session, verb)
    if isinstance(error, requests.exceptions.SSLError):
        return no_secure_connection(uri, session.endpoint, str(error), "REQUESTS_CA_BUNDLE", verb)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return unreachable(uri, session.endpoint, reason_of(str(error)), verb)
    if isinstance(error, requests.exceptions.ConnectionError) and re.search("establish|resolve", str(error)):
        return TryAgain(unreachable(uri, session.endpoint, reason_of(str(error)), verb))
    if isinstance(error, (requests.exceptions.RequestException, ConnectionError, TransportError)):
        ended = f"{session.endpoint} ended the connection too early, or did not answer in time"
        return TryAgain(unavailable(uri, ended, verb, no_answer=isinstance(error, requests.exceptions.ReadTimeout)))
    if isinstance(error, GoogleAuthError) and session.is_anonymous:
        # Google refuses the anonymous with 401, whereupon the SDK tries to renew credentials that are none.
        return denied(uri, "401", anonymous=True, where=WHERE_CREDENTIALS_ARE, verb=verb)
    if isinstance(error, GoogleAuthError) and _TIMES_IN_TOKEN.search(str(error)):
        return AccessDenied(f"{uri} cannot be {verb}: {CLOCKS_DISAGREE}")
    if isinstance(error, GoogleAuthError):
        return AccessDenied(f"{uri} cannot be {verb}: {first_line(str(error))}; check the credentials in {WHERE_CREDENTIALS_ARE}")
    if isinstance(error, ValueError):
        return UserError(f"{uri} is no address of an object: {first_line(str(error))}")
    return unavailable(uri, f"{session.endpoint} did not answer as it should ({first_line(str(error))})", verb)


def _of_answer(error: Any, uri: str, session: GcsSession, verb: str) -> ArtfsError | TryAgain | PreconditionFailed:
    status = int(error.code or 0)
    if status == 404:
        bucket, _, key = uri.removeprefix("gs://").partition("/")
        reasons = " ".join(str(one.get("message", "")) for one in error.errors)
        return no_bucket("gs", bucket) if not key or "bucket does not exist" in reasons else no_object(uri)
    if status == 507 or (status == 403 and any("quota" in str(one.get("reason", "")).lower() for one in error.errors)):
        return full(uri, str(status))
    if status == 412:
        return PreconditionFailed(uri)
    if status in {401, 403}:
        return denied(uri, str(status), anonymous=session.is_anonymous, where=WHERE_CREDENTIALS_ARE, verb=verb)
    headers = getattr(error.response, "headers", {})
    return of_status(uri, status, "", headers.get("retry-after"), verb)
