"""What a bucket does that artfs would like to know: each is one small question. Any thread.

Trying again and translating errors is the caller's.
"""

from __future__ import annotations

from artfs.cloud import gcs_writes, s3_writes
from artfs.cloud.gcs_session import GcsSession
from artfs.cloud.s3_failures import status_of
from artfs.cloud.s3_session import S3Session
from artfs.cloud.upload_body import UploadBody

#: The answer to bytes that are not those of their checksum.
_BAD_REQUEST = 400
#: Those to who asks whether versions are kept, of servers that keep none and of those that do not say.
_NOT_TOLD = frozenset({400, 401, 403, 405, 501})


def s3_refuses_damage(bucket: str, key: str, session: S3Session) -> bool:
    """False if the server has stored something else than what the checksum was made of."""
    from botocore.exceptions import ClientError

    data = bytearray(b"whole")
    body = UploadBody([data])
    checksum = s3_writes.checksum_of(body)
    data[0] ^= 1
    try:
        s3_writes.put_object(session, bucket, key, body, checksum, only_new=False)
    except ClientError as error:
        if status_of(error) != _BAD_REQUEST:
            raise
        return True
    return False


def gcs_refuses_damage(bucket: str, key: str, session: GcsSession) -> bool:
    """The same for Google, whose checksum is in front of the bytes."""
    from google.api_core.exceptions import BadRequest

    data = bytearray(b"whole")
    content_type, body = gcs_writes.make_body(key, [data])
    data[0] ^= 1
    try:
        gcs_writes.put_object(bucket, content_type, body, session)
    except BadRequest:
        return True
    return False


def s3_keeps_versions(bucket: str, session: S3Session) -> bool | None:
    """True if what is deleted stays as an old version; None where nobody says."""
    from botocore.exceptions import ClientError

    try:
        answer = session.client.get_bucket_versioning(Bucket=bucket)
    except ClientError as error:
        if status_of(error) in _NOT_TOLD:
            return None
        raise
    return bool(answer.get("Status") == "Enabled")


def gcs_keeps_versions(bucket: str, session: GcsSession) -> bool | None:
    """The same for Google: to know it takes the right storage.buckets.get."""
    from google.api_core.exceptions import Forbidden, Unauthorized

    try:
        found = session.client.get_bucket(bucket, timeout=session.timeout, retry=None)
    except (Forbidden, Unauthorized):
        return None
    return bool(found.versioning_enabled)
