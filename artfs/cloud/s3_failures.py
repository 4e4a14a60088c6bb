"""What an exception of botocore means. Pure functions; any thread."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from artfs.cloud.buckets import PreconditionFailed
from artfs.cloud.failures import (
    NOT_VALID_CREDENTIALS,
    denied,
    elsewhere,
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
from artfs.cloud.retry import TryAgain
from artfs.cloud.s3_session import S3Session
from artfs.errors import AccessDenied, ArtfsError, ConfigNotValid, UserError

#: Codes of servers whose disk, or whose user's share of it, is used up.
_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"})
WHERE_CREDENTIALS_ARE = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in a profile that AWS_PROFILE names"


def explained(error: Exception, uri: str, session: S3Session, verb: str = "read") -> ArtfsError | TryAgain | PreconditionFailed:
    """What to raise instead: TryAgain for what may pass. `uri` is what was asked for."""
    from botocore import exceptions

    if _is_endless_redirect(error):
        return ConfigNotValid(
            f"{uri} cannot be {verb}: {session.endpoint} redirects without end; set AWS_DEFAULT_REGION to the region of the bucket"
        )
    if isinstance(error, exceptions.ClientError) and error.operation_name.startswith("List") and _has_no_reason(error.response):
        # boto3 says 500 also of a list that breaks off in the middle.
        return TryAgain(unavailable(uri, "the server answered 500, or its answer broke off", verb))
    if isinstance(error, exceptions.ClientError):
        return _of_answer(error.response, uri, session, verb)
    if isinstance(error, exceptions.ParamValidationError):
        return UserError(f"{uri} is no address of an object: {first_line(str(error).partition(chr(10))[2] or str(error))}")
    if isinstance(error, exceptions.SSLError):
        return no_secure_connection(uri, _asked_at(error, session), str(error), "AWS_CA_BUNDLE", verb)
    if isinstance(error, exceptions.ConnectionError):
        reason = reason_of(f"{error.kwargs.get('error', '')} {type(error).__name__}")
        return TryAgain(unreachable(uri, _asked_at(error, session), reason, verb))
    if isinstance(error, (exceptions.HTTPClientError, exceptions.IncompleteReadError)):
        ended = f"{_asked_at(error, session)} ended the connection too early, or did not answer in time"
        return TryAgain(unavailable(uri, ended, verb, no_answer=isinstance(error, exceptions.ReadTimeoutError)))
    if is_about_credentials(error):
        return AccessDenied(f"{uri} cannot be {verb}: {first_line(str(error))}; check the credentials in {WHERE_CREDENTIALS_ARE}")
    return unavailable(uri, f"{session.endpoint} did not answer as it should ({first_line(str(error))})", verb)


def status_of(error: Exception) -> int:
    """The status of the answer that a ClientError is about; 0 without one."""
    status: int = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def _has_no_reason(answer: Any) -> bool:
    return bool(answer.get("Error", {}).get("Code") == "500")


def _is_endless_redirect(error: Exception) -> bool:
    """boto3 follows redirects without counting them, until the stack ends: in its own code, or in that which sends a request."""
    return isinstance(error, RecursionError) or isinstance(getattr(error, "kwargs", {}).get("error"), RecursionError)


def _asked_at(error: Any, session: S3Session) -> str:
    """The endpoint that did not answer: that of the bucket, or where credentials are to come from."""
    parts = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url") or session.endpoint))
    return f"{parts.scheme}://{parts.netloc}"


def is_about_credentials(error: Exception) -> bool:
    from botocore import exceptions

    return isinstance(
        error,
        (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.TokenRetrievalError,
            exceptions.SSOError,
            exceptions.InvalidConfigError,
            exceptions.RefreshWithMFAUnsupportedError,
        ),
    )


def _of_answer(
    answer: dict[str, Any], uri: str, session: S3Session, verb: str = "read"
) -> ArtfsError | TryAgain | PreconditionFailed:
    about = answer.get("ResponseMetadata", {})
    headers = about.get("HTTPHeaders", {})
    status, code = about.get("HTTPStatusCode", 0), str(answer.get("Error", {}).get("Code", ""))
    if code in _FULL or status == 507:
        return full(uri, code or str(status))
    if code == "NoSuchBucket":
        return no_bucket("s3", uri.removeprefix("s3://").partition("/")[0])
    if status == 412:
        return PreconditionFailed(uri)
    if status in {401, 403} or code in NOT_VALID_CREDENTIALS:
        return denied(uri, code, anonymous=session.is_anonymous, where=WHERE_CREDENTIALS_ARE, verb=verb)
    if status == 400 and code in {"", "400"}:
        # The answer to a HEAD has no body: this is Amazon's to credentials that have ended.
        return AccessDenied(
            f"{uri} cannot be {verb}: the server gives no reason (400), as it does where credentials have ended; check those in "
            f"{WHERE_CREDENTIALS_ARE}"
        )
    if status in {301, 307} or code == "AuthorizationHeaderMalformed":
        region = headers.get("x-amz-bucket-region") or answer.get("Error", {}).get("Region") or "another one"
        return elsewhere(uri, region, verb)
    if verb == "stored" and (status == 405 or (status == 404 and code in {"", "404"})):
        # Of those that speak S3 none forbids a PUT in general, and all name what is missing.
        return ConfigNotValid(
            f"{uri} cannot be stored: {session.endpoint} does not answer as an S3 server does ({status}); check AWS_ENDPOINT_URL"
        )
    if status == 404:
        return no_object(uri)
    return of_status(uri, status, code, headers.get("retry-after"), verb)
