"""Storing and deleting objects of S3, each by one request of boto3; trying again and translating errors is the caller's. Any
thread.

A put carries a CRC-32 that Amazon and those who know it compare with what has come; those who do not let it pass. Without TLS the
signature covers a SHA-256 of the body, which every server compares.
"""

from __future__ import annotations

import base64

from artfs.cloud.s3_session import S3Session
from artfs.cloud.upload_body import UploadBody


def checksum_of(body: UploadBody) -> str:
    """In the form of the header."""
    return base64.b64encode(body.crc32().to_bytes(4, "big")).decode()


def put_object(session: S3Session, bucket: str, key: str, body: UploadBody, checksum: str, *, only_new: bool) -> None:
    """Raises what boto3 raises: a ClientError with 412 when `only_new` and there is an object under the key."""
    body.seek(0)
    session.writer.put_object(
        Bucket=bucket,
        Key=key,
        Body=body,
        ContentType="application/octet-stream",
        # A checksum that is given, not one that boto3 makes: over TLS that would be a trailer, which Ceph does not take.
        ChecksumCRC32=checksum,
        **({"IfNoneMatch": "*"} if only_new else {}),
    )


def knows_no_conditions(error: Exception) -> bool:
    """True for the answer of a server that does not take If-None-Match at all."""
    from botocore.exceptions import ClientError

    return isinstance(error, ClientError) and error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 501


def delete_object(session: S3Session, bucket: str, key: str) -> None:
    session.writer.delete_object(Bucket=bucket, Key=key)
